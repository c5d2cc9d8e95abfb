"""Which kind of anomaly an episode is said to be, at its start and end; and the weights that this is told by."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from streamforest.detectors.isolation_forest import StreamDetector  # noqa: E402 - the path comes first
from streamforest.models.model_file import Model, load_model  # noqa: E402
from streamforest.models.shipped import SHIPPED_MODEL  # noqa: E402
from streamforest.program.training import events_in  # noqa: E402
from streamforest.protocols import LABELS, Verdict, Verdicts, verdict_from_row  # noqa: E402
from streamforest.simulation.streams import KINDS, SHORT_KINDS, SimulatedStream, random_profile  # noqa: E402
from streamforest.terminal.progress import progress  # noqa: E402
from streamforest.verdicts.episodes import EPISODE_GAP, Episode, EpisodeFold  # noqa: E402
from streamforest.verdicts.trajectory import KINDS as SHOWN  # noqa: E402
from streamforest.verdicts.trajectory import WEIGHTS, Trajectory  # noqa: E402
from streamforest.wording import kind_text  # noqa: E402

#: Streams of each kind, points of each, and those before the first event that counts.
STREAMS, POINTS, FIRST = 300, 4000, 500
ALARM_RATE = 0.001
#: Probabilities that a point begins an anomaly: so rare that each is the first of its kind for a long while.
SHORT_PROBABILITY, LONG_PROBABILITY = 0.002, 0.0002
#: Seeds of the streams that are measured on, and of those that weights are fitted on.
SEED, FIT_SEED = 99, 177
#: Streams that weights are fitted on: as many as give a few hundred episodes of each kind.
FIT_STREAMS = {
    "spike": 120,
    "dip": 120,
    "level shift": 700,
    "ramp": 700,
    "variance burst": 500,
    "season break": 2400,
}
#: What each kind counts there, where it is not 1: spikes and dips, "", are by far the most common ones; ramps are taken
#: for season breaks more often than these for ramps.
COUNTS_FOR = {"": 4.0, "ramp": 1.25, "season break": 0.85}
#: What is right for each kind.
RIGHT = {"variance burst": "variance up", "missing": "gap"}


class Found(NamedTuple):
    """An anomaly, and the episode that it was found by, None where it was not.

    Attributes
    ----------
    episode : Episode or None
        Once it was over.
    numbers : list of float
        What its trajectory looked like; none where its name needed none.
    """

    episode: Episode | None
    numbers: list[float]


def events(model: Model, kind: str, seed: int, streams: int) -> Iterator[Found]:
    """The anomalies of one kind in streams of all units, seasons and noises."""
    for child in progress(np.random.SeedSequence([seed, LABELS.index(kind)]).spawn(streams), kind):
        rng = np.random.default_rng(child)
        profile, own = random_profile(rng), int(rng.integers(2**63))
        if kind == "season break" and not profile.seasons:
            continue
        probability = SHORT_PROBABILITY if kind in SHORT_KINDS else LONG_PROBABILITY
        values, labels = SimulatedStream(profile, own, probability, (kind,)).take(POINTS)
        verdicts = StreamDetector(model, ALARM_RATE).update_many(values)
        over = ended(verdicts)
        for _, start, end in events_in(labels):
            if start < FIRST:
                continue
            hits = np.flatnonzero(verdicts["is_anomaly"][start : end + EPISODE_GAP])
            yield over[int(verdicts["episode"][start + hits[0]])] if hits.size else Found(None, [])


def ended(verdicts: Verdicts) -> dict[int, Found]:
    """Each episode by its number, once it was over."""
    fold = EpisodeFold()
    happenings = fold.add_with_indices(verdicts)
    happenings += [(int(verdicts["index"][-1]), *happening) for happening in fold.finish()]
    starts = {one.number: index for index, happening, one in happenings if happening == "start"}
    found = {}
    for index, happening, one in happenings:
        if happening == "end":
            end = min(index, starts.get(one.number + 1, len(verdicts)) - 1)
            found[one.number] = Found(one, numbers_of(verdicts, one, end))
    return found


def numbers_of(verdicts: Verdicts, episode: Episode, end: int) -> list[float]:
    """What the trajectory of an episode that ended at a stream index looked like; none where its name needed none."""
    trajectory = Trajectory(episode.start)
    for row in verdicts[verdicts["is_anomaly"] & (verdicts["episode"] == episode.number)].tolist():
        trajectory.count(verdict_from_row(row))
    trajectory.follow(verdicts, end)
    return [] if trajectory.is_obvious() else trajectory.numbers()


def _without_way(verdict: Verdict, kind: str) -> str:
    """What a point is, without up and down where it is of a kind that the table has in one row."""
    reason = kind_text(verdict)
    return reason.removesuffix(" up").removesuffix(" down") if kind in reason else reason


def rows(model: Model, streams: int) -> Iterator[str]:
    """A row a kind of anomaly: found, reason right at start and end, and what else was said; then a row for all."""
    found, right = 0, np.zeros(2)
    for kind in KINDS:
        anomalies = list(events(model, kind, SEED, streams))
        episodes = [one.episode for one in anomalies if one.episode is not None]
        reasons = [(_without_way(one.start, kind), _without_way(one.peak, kind)) for one in episodes]
        wanted = RIGHT.get(kind, kind)
        here = np.array([[reason == wanted for reason in pair] for pair in reasons]).reshape(-1, 2).sum(axis=0)
        found, right = found + len(reasons), right + here
        else_said = Counter(reason for _, reason in reasons if reason != wanted)
        others = ", ".join(f"{name} {count}" for name, count in else_said.most_common(4))
        start, end = here / max(len(reasons), 1)
        share = f"{len(reasons)} of {len(anomalies)} ({len(reasons) / max(len(anomalies), 1):.0%})"
        yield f"| {kind} | {share} | {start:.0%} | {end:.0%} | {others} |"
    start, end = right / max(found, 1)
    yield f"| all | {found} | {start:.0%} | {end:.0%} | |"


def fitted(model: Model) -> NDArray[np.float64]:
    """Weights for ``streamforest.verdicts.trajectory``, a row for each of its WEIGHTS."""
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - only to fit

    names, numbers = [], []
    for kind, streams in FIT_STREAMS.items():
        for one in events(model, kind, FIT_SEED, streams):
            if one.numbers:
                names.append("" if kind in SHORT_KINDS else RIGHT.get(kind, kind))
                numbers.append(one.numbers[1:])
    counts = Counter(names)
    print("fitted on", ", ".join(f"{n} of {name or 'spike or dip'}" for name, n in counts.items()), file=sys.stderr)
    shares = {name: COUNTS_FOR.get(name, 1.0) / count for name, count in counts.items()}
    least = min(shares.values())
    points = np.array(numbers)
    middle, spread = points.mean(axis=0), points.std(axis=0)
    regression = LogisticRegression(class_weight={name: share / least for name, share in shares.items()}, max_iter=2000)
    regression.fit((points - middle) / spread, names)
    of_name = dict(zip(regression.classes_, np.column_stack([regression.intercept_, regression.coef_]), strict=True))
    weights = np.array([of_name[name] - of_name[""] for name in SHOWN])
    weights[:, 1:] /= spread
    weights[:, 0] -= weights[:, 1:] @ middle
    return weights.T


def main(words: Sequence[str] | None = None) -> int:
    """Print the table, or the weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=SHIPPED_MODEL)
    parser.add_argument("--streams", type=int, default=STREAMS, help="of each kind (default %(default)s)")
    parser.add_argument("--fit", action="store_true", help="print weights for streamforest/verdicts/trajectory.py")
    asked = parser.parse_args(words)
    model = load_model(asked.model)
    if asked.fit:
        for name, weights in zip(WEIGHTS, fitted(model), strict=True):
            print(f'    "{name}": ({", ".join(f"{weight:.3f}" for weight in weights)}),')
        return 0
    print("| kind | found | reason right at the start | at the end | else |\n|---|---|---|---|---|")
    for row in rows(model, asked.streams):
        print(row, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The weights of the evidence: each tried at other values, on simulated streams and the development boards alone."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FunctionType
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from benchmarks import ablation  # noqa: E402 - the path comes first
from benchmarks.ablation import Parts, Weighing, look_at, outcome, vectors_of, weighed  # noqa: E402
from benchmarks.boards import Board, BoardError, Series, label_runs, read_board  # noqa: E402
from benchmarks.marks import measure  # noqa: E402
from settings import ALARM_RATE  # noqa: E402
from streamforest.judging import evidence  # noqa: E402
from streamforest.models.forest import forest_scores  # noqa: E402
from streamforest.models.model_file import Model, load_model  # noqa: E402
from streamforest.models.shipped import SHIPPED_MODEL  # noqa: E402
from streamforest.program.training import CALM_POINTS, calibrate, streams  # noqa: E402
from streamforest.simulation.streams import SimulatedStream, random_profile  # noqa: E402

#: What each weight is multiplied by; shares stay below 1.
FACTORS = (0.5, 0.7, 1.4, 2.0)
#: Weights that change no order of scores.
WITHOUT_EFFECT = ("HALF",)
#: Simulated streams with anomalies, points of each, and probability that a point begins one; streams without any.
STREAMS, POINTS, PROBABILITY, CALM_STREAMS = 60, 4000, 0.003, 100
#: Seeds of them, which no training and no other benchmark has.
SEEDS, CALM_SEED = range(9000, 9000 + STREAMS), 9
#: A change counts from this mean relative gain on: less is chance.
LEAST_GAIN = 0.005


class Seen(NamedTuple):
    """A stream, as far as weights do not change it."""

    parts: Parts
    vectors: NDArray[np.float32]
    isolations: NDArray[np.float64]


def main(words: Sequence[str] | None = None) -> int:
    """Print the table; with ``--rounds`` take the best change and go on from there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("nab", type=Path, help="a clone of NAB")
    parser.add_argument("cloud", type=Path, help="the folder of cloud metrics")
    parser.add_argument(
        "--model", type=Path, default=SHIPPED_MODEL, help="made by model_prod.py (default the shipped one)"
    )
    parser.add_argument("--weights", default=",".join(weights()), help="names, separated by commas (default all)")
    parser.add_argument("--factors", default=",".join(map(str, FACTORS)), help="tried of each (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=1, help="changes at most, one after the other (default 1)")
    asked = parser.parse_args(words)
    names, factors = asked.weights.split(","), [float(factor) for factor in asked.factors.split(",")]
    if unknown := [name for name in names if name not in weights()]:
        parser.error(f"--weights has {unknown[0]!r}, allowed are {', '.join(weights())}")
    try:
        boards = development_boards(asked.nab, asked.cloud)
    except BoardError as error:
        print(error, file=sys.stderr)
        return 1
    model = load_model(asked.model)
    trial = Trial(model, [*boards, simulated_board()])
    changed: dict[str, float] = {}
    for _ in range(asked.rounds):
        best = try_all(trial, changed, names, factors)
        if best is None:
            print("\nno change is worth it")
            break
        changed |= best
        print("\ntaken: " + ", ".join(f"{name} = {value:g}" for name, value in changed.items()), flush=True)
    return 0


def weights() -> dict[str, float]:
    """The weights of the evidence, by name."""
    return {
        name: value
        for name, value in vars(evidence).items()
        if name.isupper() and isinstance(value, float) and name not in WITHOUT_EFFECT
    }


def development_boards(nab: Path, cloud: Path) -> list[Board]:
    """The two boards; raises BoardError for others, which are kept back for measuring."""
    boards = [read_board(nab), read_board(cloud)]
    if [board.kind for board in boards] != ["nab", "csv"]:
        kinds = ", ".join(board.kind for board in boards)
        raise BoardError(f"weights are chosen on NAB and the cloud metrics alone, in this order; these are: {kinds}")
    return boards


def simulated_board() -> Board:
    """Random streams with anomalies of all kinds."""
    series = []
    for seed in SEEDS:
        stream = SimulatedStream(random_profile(np.random.default_rng(seed)), seed, PROBABILITY)
        values, labels = stream.take(POINTS)
        times = 3600.0 * np.arange(POINTS)
        series.append(Series(f"{seed}", values, times, (), tuple(label_runs(labels > 0))))
    return Board("simulated", Path(), tuple(series))


class Trial:
    """Measures weights; what does not depend on them is computed once.

    Parameters
    ----------
    model : Model
        Whose forest is taken as it is; its calibrations are made anew.
    boards : sequence of Board
    """

    def __init__(self, model: Model, boards: Sequence[Board]) -> None:
        self._model, self.boards = model, boards
        self._series = [[self._see(one.values, one.times) for one in board.series] for board in boards]
        calm = streams([CALM_SEED, 1], CALM_STREAMS, 0.0, "looking at calm streams")
        # without times, as in training
        self._calm = [self._see(one.take(CALM_POINTS)[0], None) for one in calm]

    def _see(self, values: NDArray[np.float64], times: NDArray[np.float64] | None) -> Seen:
        parts = look_at(values, times)
        vectors = vectors_of(parts)
        isolations = np.interp(forest_scores(self._model.forest, vectors), *self._model.forest_calibration.T)
        return Seen(parts, vectors, isolations)

    def figures(self, changed: Mapping[str, float]) -> list[float]:
        """NAB's score, VUS-PR and F1 on each board with some weights changed."""
        weighing = weighing_with(changed)
        calm = [weighed(*seen, weighing)[seen.parts.known] for seen in self._calm]
        calibration = calibrate(np.concatenate(calm))
        figures = []
        for board, all_seen in zip(self.boards, self._series, strict=True):
            outcomes = {
                series.name: outcome(seen.parts, weighed(*seen, weighing), calibration)
                for series, seen in zip(board.series, all_seen, strict=True)
            }
            marks = measure(board, outcomes, ALARM_RATE)
            figures += [marks.nab_standard, marks.vus_pr, marks.f1]
        return figures


def weighing_with(changed: Mapping[str, float]) -> Weighing:
    """The detector's own way to weigh, compiled anew with other constants."""
    carry_on, weigh = (_with(function, changed) for function in (evidence.carry_on, evidence.weigh))
    usual = Weighing()
    return Weighing(_with(usual.carry_on, {"carry_on": carry_on}), _with(usual.weigh, {"weigh": weigh}))


def _with(function: Any, changed: Mapping[str, Any]) -> Any:
    plain = function.py_func
    assert plain.__module__ in (ablation.__name__, evidence.__name__)
    made = FunctionType(plain.__code__, {**plain.__globals__, **changed}, plain.__name__, plain.__defaults__)
    return numba.njit(error_model="numpy")(made)


def try_all(
    trial: Trial, changed: Mapping[str, float], names: Sequence[str], factors: Sequence[float]
) -> dict[str, float] | None:
    """Print what each change gives; returns the best one, None where none is worth it."""
    usual = trial.figures(changed)
    heads = [f"{board.name[:9]} {mark}" for board in trial.boards for mark in ("NAB", "VUS-PR", "F1")]
    print(f"\n{'weight':<26}" + "".join(f"{head:>17}" for head in heads) + f"{'mean gain':>11}")
    print_row("(as it is)", usual, 0.0)
    best, most = None, LEAST_GAIN
    for name in names:
        now = changed.get(name, weights()[name])
        for factor in factors:
            value = min(factor * now, 0.95) if now < 1.0 else factor * now
            found = trial.figures({**changed, name: value})
            gain = float(np.mean(np.array(found) / usual - 1.0))
            print_row(f"{name} = {value:g}", found, gain)
            if gain > most:
                best, most = {name: value}, gain
    return best


def print_row(name: str, figures: Sequence[float], gain: float) -> None:
    """Print one line of the table."""
    print(f"{name:<26}" + "".join(f"{figure:>17.3f}" for figure in figures) + f"{gain:>11.2%}", flush=True)


if __name__ == "__main__":
    sys.exit(main())

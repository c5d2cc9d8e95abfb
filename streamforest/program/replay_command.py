"""The command that judges the points of a case file again, and says whether every verdict has the same bits."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

from streamforest.program.complaint import complain
from streamforest.program.conflicts import check_holidays, names_to_compare
from streamforest.program.options import OPTIONS, OptionError, check_settings, read_options
from streamforest.storage.case_file import FACTS, POINTS, STATE, VERDICTS, CaseError, read_case
from streamforest.terminal.console import say
from streamforest.text import escaped

if TYPE_CHECKING:
    from streamforest.protocols import Points, Verdicts

#: The word in front of the case on the command line.
WORD = "replay"
DONE, FAILED, WRONG_USE = 0, 1, 2
#: Settings that the command line has: where models are, and what is printed.
SETTINGS = ("MODEL", "LSTM_MODEL", "FORMAT")
FORMAT_VERSION = 1
LONGEST = 200  # characters of a case's text that are shown


class Replayed(NamedTuple):
    """What came of judging a case again.

    Attributes
    ----------
    verdicts : array of VERDICT_DTYPE, shape (n,)
        Those of now.
    lines : list of str
        The same as JSON, a verdict each.
    differing : list of int
        Places of those that the case holds otherwise.
    fits : bool
        Whether they come from what the detector remembered then; else from a detector that knew nothing.
    """

    verdicts: Verdicts
    lines: list[str]
    differing: list[int]
    fits: bool


def main(
    arguments: Sequence[str],
    program: str,
    load_settings: Callable[[], Mapping[str, object]],
    folder: Path,
    shipped: Mapping[str, Path],
) -> int:
    """Read a case, judge it again, tell; returns the exit code: 0 where every verdict has the same bits, else 1.

    The parameters are those of :func:`streamforest.program.cli.main`.
    """
    has_case = bool(arguments) and not arguments[0].startswith("-")
    try:
        own = {name: value for name, value in load_settings().items() if name in SETTINGS[:2]}
        options = read_options(
            *(arguments[has_case:], own, folder),
            program=f"{program} {WORD} CASE",
            description="Judge the points of a case file again, from what the detector remembered before them.",
            flags={name: "--" + name.lower().replace("_", "-") for name in SETTINGS},
            shipped=shipped,
        )
        if not has_case:
            raise OptionError(f"name a case file: {program} {WORD} case.zip")
    except OptionError as error:
        complain(program, error)
        return WRONG_USE
    try:
        return _replay(Path(arguments[0]), options, program)
    except CaseError as error:
        complain(program, f"{arguments[0]} {error}")
    except OSError as error:
        complain(program, f"{arguments[0]}: {error.strerror or error}")
    return FAILED


def _replay(path: Path, options: SimpleNamespace, program: str) -> int:
    # numpy and more: after the command line was found to be right
    from streamforest.optional import MissingPackageError  # noqa: PLC0415
    from streamforest.protocols import DetectorError  # noqa: PLC0415

    parts = read_case(path)
    facts = facts_of(parts[FACTS])
    points, index = points_of(parts[POINTS])
    judging = vars(options) | settings_of(facts)
    judging |= {"key_column": None, "ignore": None, "refits": None, "delay": 0.0}
    for line in introduction(facts, judging):
        say(line)
    try:
        found = judged_again(parts, points, index, SimpleNamespace(**judging))
    except (DetectorError, MissingPackageError) as error:
        complain(program, error)
        return FAILED
    if options.format == "json":
        print("\n".join(found.lines))
    say(conclusion(found, facts))
    return FAILED if found.differing else DONE


def facts_of(content: bytes) -> dict[str, Any]:
    """What a case says of itself; raises CaseError where a part of it is missing or of another kind."""
    try:
        facts = json.loads(content)
    except (ValueError, RecursionError):
        raise CaseError(f"is damaged: its {FACTS} cannot be read") from None
    episode = facts.get("episode") if isinstance(facts, dict) else None
    if not isinstance(episode, dict) or type(facts.get("case")) is not int:
        raise CaseError(f"is damaged: its {FACTS} is none of a case")
    if facts["case"] > FORMAT_VERSION:
        raise CaseError(f"was written by a later version of this program (format {facts['case']})")
    kinds = {"settings": dict, "models": dict, "versions": dict, "source": str, "made": str}
    whole = ("number", "first", "last")
    if not all(isinstance(facts.get(name), kind) for name, kind in kinds.items()) or not all(
        type(episode.get(name)) is int for name in whole
    ):
        raise CaseError(f"is damaged: its {FACTS} lacks what a case has")
    return dict(facts)


def settings_of(facts: Mapping[str, Any]) -> dict[str, object]:
    """The settings by which a case was judged, checked like anybody's; raises CaseError where one is wrong."""
    from streamforest.program.cases import JUDGING  # noqa: PLC0415 - numpy

    table = [option for option in OPTIONS if option.name in JUDGING]
    try:
        values = check_settings(facts["settings"], table)
        values["COMPARE"] = names_to_compare(values["COMPARE"])  # type: ignore[arg-type] # a text or None by now
        if values["DETECTOR"] == "list":
            raise OptionError("DETECTOR is 'list', which judges nothing")
        settings = {name.lower(): value for name, value in values.items()}
        check_holidays(SimpleNamespace(**settings))
    except OptionError as error:
        raise CaseError(f"has settings that cannot be used: {escaped(str(error))[:LONGEST]}") from None
    return settings


def points_of(content: bytes) -> tuple[Points, int]:
    """The points of a case, shape (n,), n >= 1, and the stream index of the first; raises CaseError for others."""
    import numpy as np  # noqa: PLC0415 - see _replay

    from streamforest.program.cases import COLUMNS  # noqa: PLC0415
    from streamforest.protocols import LABELS, POINT_DTYPE, UNLABELLED  # noqa: PLC0415
    from streamforest.reading.python_values import LATEST  # noqa: PLC0415

    try:
        header, *rows = csv.reader(io.StringIO(content.decode(), newline=""))
        if tuple(header) != COLUMNS or not rows:
            raise ValueError("there is no point in it")
        points = np.zeros(len(rows), POINT_DTYPE)
        first = int(rows[0][0])
        for place, (index, time, value, label) in enumerate(rows):
            if int(index) != first + place or first < 0:
                raise ValueError(f"point {index[:LONGEST]} does not follow the one before it")
            points[place]["time"] = float(time or "nan")
            points[place]["value"] = float(value or "nan")
            points[place]["label"] = LABELS.index(label) if label else UNLABELLED
    except (ValueError, csv.Error) as error:
        raise CaseError(f"is damaged: its {POINTS}: {escaped(str(error))[:LONGEST]}") from None
    given = points["time"][points["time"] == points["time"]]
    if np.isinf(points["value"]).any() or (np.abs(given) > LATEST).any() or (np.diff(given) < 0).any():
        raise CaseError(f"is damaged: its {POINTS} has a value or a time that no stream has")
    return points, first


def introduction(facts: Mapping[str, Any], judging: Mapping[str, Any]) -> list[str]:
    """What a case is of, and with what it was made and is replayed, in lines for people."""
    from streamforest.program.cases import models_of, versions  # noqa: PLC0415
    from streamforest.program.continuation import digest_of  # noqa: PLC0415

    episode = facts["episode"]
    lines = [f"episode {episode['number']:,} of {facts['source']}: {episode.get('reason', '')}, made {facts['made']}"]
    now = versions()
    then = {name: str(facts["versions"].get(name, "unknown")) for name in now}
    if differing := [name for name in now if then[name] != now[name]]:
        made = ", ".join(f"{name} {then[name]}" for name in differing)
        lines.append(f"made by {made}; replayed by {', '.join(f'{name} {now[name]}' for name in differing)}")
    else:
        lines.append(f"made and replayed by {', '.join(f'{name} {version}' for name, version in now.items())}")
    for name in models_of(SimpleNamespace(**judging)):
        path = judging[name.lower()]
        if path.exists() and digest_of(path) != facts["models"].get(name):
            lines.append(f"{path} is another model than the case's: verdicts will differ; --{name.lower()} names one")
    return [escaped(line)[: 3 * LONGEST] for line in lines]


def judged_again(parts: Mapping[str, bytes], points: Points, first: int, options: SimpleNamespace) -> Replayed:
    """Judge the points of a case from what was remembered before them.

    Raises
    ------
    CaseError
        What was remembered is damaged.
    DetectorError, MissingPackageError
        The detector cannot be made.
    """
    import numpy as np  # noqa: PLC0415

    from streamforest.program import assembly  # noqa: PLC0415
    from streamforest.sinks.terminal import json_lines  # noqa: PLC0415
    from streamforest.storage.checkpoint import CheckpointError, parse  # noqa: PLC0415
    from streamforest.storage.resumption import FAULTS  # noqa: PLC0415

    try:
        state = parse(parts[STATE]).state
    except CheckpointError as error:
        raise CaseError(f"is damaged: its {STATE} {error}") from None
    source: Any = SimpleNamespace(live=False, name="case")
    judge, _ = assembly.make_judge(options, source)
    fits = True
    try:
        judge.parts()["detector"].restore(dict(state))
    except FAULTS:
        fits = False
        judge, _ = assembly.make_judge(options, source)  # what took a part of it knows too much
    verdicts = np.concatenate(judge.judge(points))
    if not fits:
        verdicts["index"] += first
    lines = json_lines(verdicts).splitlines()
    then = parts[VERDICTS].decode("utf-8", "replace").splitlines()
    differing = [place for place, line in enumerate(lines) if place >= len(then) or line != then[place]]
    return Replayed(verdicts, lines, differing, fits)


def conclusion(found: Replayed, facts: Mapping[str, Any]) -> str:
    """Whether the verdicts have the same bits, in a line for people."""
    verdicts, episode = found.verdicts, facts["episode"]
    points = f"{len(verdicts):,} points from {int(verdicts['index'][0]):,} on, judged again"
    if not found.differing:
        return f"{points}: every verdict has the same bits"
    inside = (verdicts["index"] >= episode["first"]) & (verdicts["index"] <= episode["last"])
    again = int(verdicts["is_anomaly"][inside].sum())
    where = int(verdicts["index"][found.differing[0]])
    how = f"{len(found.differing):,} verdicts differ, the first at point {where:,}"
    if not found.fits:
        how = "what the detector remembered does not fit this version, so one that knew nothing judged them, and " + how
    return f"{points}: {how}; between the ends of the episode {again:,} points are anomalous now"

"""The command that tells what would be caught in a stream: its options, what it reads, what it prints."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from streamforest.program.complaint import complain
from streamforest.program.conflicts import check_dialect, check_holidays
from streamforest.program.options import OptionError, names_file, read_options
from streamforest.terminal.console import say

if TYPE_CHECKING:
    from streamforest.protocols import Detector, Points, Source

#: The word in front of the source on the command line.
WORD = "detect-limits"
#: Alarm rates that are tried beside the one that is asked for, as multiples of it.
OTHER_RATES = (3.0, 10.0)
MOST_RATE = 0.2
DONE, FAILED, WRONG_USE = 0, 1, 2
#: Settings that the command line has, under their own names.
SETTINGS = (
    *("SOURCE", "COLUMN", "TIME_COLUMN", "LABEL_COLUMN", "TIME_FORMAT", "TIME_ZONE", "DECIMAL", "COUNTER", "GAUGE"),
    *("DETECTOR", "MODEL", "LSTM_MODEL", "WINDOW", "REFIT_EVERY", "ALARM_RATE", "DIRECTION", "MINIMUM_DEVIATION"),
    *("HOLIDAYS", "MINIMUM_DEVIATION_PERCENT", "COOL_DOWN", "HISTORY", "SEED", "FORMAT"),
)


def main(
    arguments: Sequence[str],
    program: str,
    load_settings: Callable[[], Mapping[str, object]],
    folder: Path,
    shipped: Mapping[str, Path],
) -> int:
    """Read, plant, tell; returns the exit code. The parameters are those of :func:`streamforest.program.cli.main`."""
    try:
        options = read_command(arguments, program, load_settings(), folder, shipped)
    except OptionError as error:
        complain(program, error)
        return WRONG_USE
    return tell(options, program)


def read_command(
    arguments: Sequence[str],
    program: str,
    values: Mapping[str, object],
    folder: Path,
    shipped: Mapping[str, Path],
) -> SimpleNamespace:
    """What is asked for; raises OptionError."""
    flags = {name: name if name == "SOURCE" else "--" + name.lower().replace("_", "-") for name in SETTINGS}
    options = read_options(
        *(arguments, values, folder),
        program=f"{program} {WORD}",
        description="Tell what would be caught: anomalies of growing size, planted into copies of a stream's history.",
        flags=flags,
        shipped=shipped,
    )
    check_dialect(options)
    if options.detector == "list":
        raise OptionError("--detector is 'list', which judges nothing; name one")
    if not names_file(options.source) and options.source.partition(":")[0] not in (
        "simulated",
        "duckdb",
        "sqlite",
        "xlsx",
        "-",
    ):
        raise OptionError(f"SOURCE is {options.source!r}: {WORD} needs a history that has an end: name a file, or -")
    options.key_column, options.follow, options.delay, options.alarms_a_day = None, False, 0.0, None
    options.interval, options.refits, options.compare = None, None, None
    check_holidays(options)
    return options


def tell(options: SimpleNamespace, program: str) -> int:
    """Print what would be caught; returns the exit code."""
    # numpy and more: after the command line was found to be right
    from streamforest.compiled import telling_of_compiling  # noqa: PLC0415
    from streamforest.optional import MissingPackageError  # noqa: PLC0415
    from streamforest.program import assembly, detect_limits, warm_up  # noqa: PLC0415
    from streamforest.protocols import DetectorError, SourceError  # noqa: PLC0415

    rates = [options.alarm_rate, *(options.alarm_rate * factor for factor in OTHER_RATES)]
    try:
        source = assembly.make_source(options)
        if source.live and options.source != "-":
            source.close()
            raise SourceError(f"{options.source} is no regular file, and could go on for ever; {WORD} needs a file")
        history = detect_limits.history_of(newest_points(source, options))

        make = maker(options, source)
        with telling_of_compiling(say):
            if options.detector == "isolation-forest":
                warm_up.compile_all("stream")
            found = []
            for answer in detect_limits.answers(
                history, make, [rate for rate in rates if rate <= MOST_RATE], options.seed
            ):
                found.append(answer)
                if options.format == "json":
                    print(json.dumps(detect_limits.as_objects(answer)), flush=True)
                elif len(found) == 1:
                    print(f"{source.name}, at an alarm rate of {answer.rate:g}:")
                    print("\n".join(f"  {line}" for line in detect_limits.sentences(answer, history.step)), flush=True)
    except (SourceError, DetectorError, MissingPackageError) as error:
        complain(program, error)
        return FAILED
    except ValueError as error:
        complain(program, f"{options.source}: {error}")
        return FAILED
    if options.format != "json":
        print("\nat other alarm rates, and their price:")
        print("\n".join(f"  {line}" for line in detect_limits.table(found, history.step)))
    return DONE


def maker(options: SimpleNamespace, source: Source) -> Callable[[float], Detector]:
    """What gives a fresh detector of an alarm rate, as the options ask for it."""
    from streamforest.detectors import make_detector  # noqa: PLC0415 - see tell
    from streamforest.program import assembly  # noqa: PLC0415

    def make(rate: float) -> Detector:
        own = {"alarm_rate": rate, "alarms_a_day": None, "refits": None}
        chosen = assembly.detector_options(SimpleNamespace(**vars(options) | own), source)
        return make_detector(options.detector, chosen._replace(waits=True))

    return make


def newest_points(source: Source, options: SimpleNamespace) -> Points:
    """The newest points of a source, up to ``options.history`` of them; of an endless one the first.

    Raises
    ------
    SourceError
        It cannot be read.
    """
    import numpy as np  # noqa: PLC0415 - see tell

    from streamforest.program.loop import BLOCK, judged_values  # noqa: PLC0415
    from streamforest.protocols import POINT_DTYPE  # noqa: PLC0415
    from streamforest.reading.validation import Validator  # noqa: PLC0415
    from streamforest.terminal.stop import StopFlag  # noqa: PLC0415

    stop, validator = StopFlag(), Validator()
    values = judged_values(source, options, has_keys=False)
    parts, count, is_endless = [], 0, options.source.partition(":")[0] == "simulated"
    try:
        for block in source.read(stop, BLOCK):
            points = validator.check(block)[0]
            parts.append(values.of(points))
            count += len(parts[-1])
            while len(parts) > 1 and count - len(parts[0]) >= options.history and not is_endless:
                count -= len(parts.pop(0))
            if is_endless and count >= options.history:
                break
    finally:
        source.close()
        stop.close()
    points = np.concatenate([np.empty(0, POINT_DTYPE), *parts, values.rest()])
    return points[: options.history] if is_endless else points[-options.history :]

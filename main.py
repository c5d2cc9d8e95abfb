"""Start here: the command line becomes settings, parts and a run; exit code 0, 1 or 2."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress


def end_at_once(*_signal: object) -> None:
    """End the program from a signal handler while nothing has been read or written yet."""
    with suppress(OSError):
        os.write(2, b"stopped before the first point\n")
    os._exit(0)


def on_stop_signals(handler: signal._HANDLER) -> None:
    """Let a handler take Ctrl+C (on Windows Ctrl+Break as well) and SIGTERM."""
    for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), handler)


if __name__ == "__main__":
    if sys.version_info < (3, 11):  # noqa: UP036 - older ones fail at the imports below, in words that help nobody
        sys.exit("main.py needs Python 3.11 or newer")
    on_stop_signals(end_at_once)  # before all imports that take time

from collections.abc import Callable, Mapping, Sequence  # noqa: E402 - the handlers come first
from pathlib import Path  # noqa: E402
from types import SimpleNamespace  # noqa: E402
from typing import TYPE_CHECKING  # noqa: E402

from streamforest.options import OptionError, read_options  # noqa: E402

if TYPE_CHECKING:
    from streamforest.protocols import Detector, Sink, Source

FOLDER = Path(__file__).resolve().parent
DESCRIPTION = "Watch a stream of numbers and mark what is unusual in it while it happens."
DONE, FAILED, WRONG_USE = 0, 1, 2


def main(arguments: Sequence[str]) -> int:
    """Run the program; returns its exit code.

    Parameters
    ----------
    arguments : sequence of str
        The command line without the program's name.
    """
    try:
        options = read_options(arguments, load_settings(), FOLDER, program="main.py", description=DESCRIPTION)
        check_paths(options)
    except OptionError as error:
        say(f"main.py: {error}")
        return WRONG_USE
    try:
        return run(options)
    except ModuleNotFoundError as error:
        say(f"main.py: {error.name} is not installed; run 'python -m pip install -r requirements.txt'")
        return FAILED


def load_settings() -> Mapping[str, object]:
    """What settings.py defines.

    Raises
    ------
    OptionError
        It is no valid Python, or it is not there.
    """
    try:
        import settings  # noqa: PLC0415 - what a user wrote there may be wrong
    except (
        SyntaxError,
        NameError,
        AttributeError,
        TypeError,
        ValueError,
        ArithmeticError,
        LookupError,
        ImportError,
    ) as error:
        raise OptionError(f"settings.py cannot be read: {error}") from None
    return vars(settings)


def check_paths(options: SimpleNamespace) -> None:
    """Keep the run from writing over what it reads, or two outputs from sharing a file.

    Raises
    ------
    OptionError
        Two paths are of one file.
    """
    taken = {"SOURCE": Path(options.source), "MODEL": options.model}
    for name in ("LOG", "REPORT"):
        path = getattr(options, name.lower())
        for other, file in taken.items():
            if path is not None and is_same_file(path, file):
                raise OptionError(f"{name} is {str(path)!r}: that is the file of {other}, choose another one")
        if path is not None:
            taken[name] = path


def is_same_file(path: Path, other: Path) -> bool:
    """Whether two paths lead to one file; files that are not there yet are told apart by their paths."""
    try:
        return path.samefile(other)
    except (OSError, ValueError):
        return os.path.abspath(path) == os.path.abspath(other)  # noqa: PTH100 - resolve() may fail where this does not


def run(options: SimpleNamespace) -> int:
    """Build the parts, watch the stream until the run ends, and sum it up; returns the exit code."""
    from anomaly import anomaly_dect  # noqa: PLC0415 - numpy and more: after the command line was found to be right
    from streamforest.forest import ModelError  # noqa: PLC0415
    from streamforest.metrics import RunCounts  # noqa: PLC0415
    from streamforest.protocols import ReaderGoneError, SourceError  # noqa: PLC0415
    from streamforest.stop import StopFlag  # noqa: PLC0415

    try:
        source, detector = make_source(options), make_detector(options)
    except (SourceError, ModelError) as error:
        say(f"main.py: {error}")
        return FAILED
    sinks = make_sinks(options)
    if sys.stderr is not None and sys.stderr.isatty():
        say(f"watching {source.name} with {detector.name}; Ctrl+C ends the run")
    stop = StopFlag()
    counts = RunCounts(options.alarm_rate)
    on_stop_signals(stop.request)
    code = DONE
    try:
        # The live view owns the main thread: where there is one, this call goes to a worker.
        anomaly_dect(
            source, detector, sinks, counts, stop, delay=options.delay, max_points=options.max_points, notify=say
        )
    except ReaderGoneError:
        return DONE  # nobody is left to read a summary
    except SourceError as error:
        say(f"main.py: {error}")
        code = FAILED
    finally:
        on_stop_signals(signal.SIG_IGN)  # the run is over: another Ctrl+C has nothing to end
    say(counts.summary())
    return code


def make_source(options: SimpleNamespace) -> Source:
    """The source that was chosen."""
    from streamforest.sources import open_source  # noqa: PLC0415 - see run

    return open_source(
        options.source,
        column=options.column,
        time_column=options.time_column,
        label_column=options.label_column,
        seed=options.seed,
        outlier_probability=options.outlier_probability,
    )


def make_detector(options: SimpleNamespace) -> Detector:
    """The detector that was chosen, with its model loaded and its functions compiled."""
    import numpy as np  # noqa: PLC0415 - see run

    from streamforest import StreamDetector  # noqa: PLC0415
    from streamforest.compiled import is_first_run  # noqa: PLC0415
    from streamforest.protocols import POINT_DTYPE  # noqa: PLC0415

    detector = StreamDetector.load(options.model, alarm_rate=options.alarm_rate)
    if is_first_run():
        say("compiling, once: the first run takes about half a minute longer")
    none = np.empty(0, POINT_DTYPE)
    detector.update_many(none["value"], none["time"])  # compiles while a signal still ends the program at once
    return detector


def make_sinks(options: SimpleNamespace) -> list[Sink]:
    """The sinks that were chosen and can be opened; standard output last, as its reader may end the run."""
    from streamforest.sinks.event_log import EventLogSink  # noqa: PLC0415 - see run
    from streamforest.sinks.report import ReportSink  # noqa: PLC0415
    from streamforest.sinks.terminal import TerminalSink, wants_colour  # noqa: PLC0415

    log = opened("log", options.log, lambda path: EventLogSink(path, options.log_bytes, options.log_files))
    report = opened("report", options.report, ReportSink)
    if sys.stdout is None:
        return [*log, *report]
    return [*log, *report, TerminalSink(sys.stdout, options.format, wants_colour(sys.stdout, os.environ))]


def opened(what: str, path: Path | None, open_sink: Callable[[Path], Sink]) -> list[Sink]:
    """The sink, if it is wanted and can be opened."""
    if path is None:
        return []
    try:
        return [open_sink(path)]
    except OSError as error:
        say(f"no {what}, the run goes on without it: {path}: {error.strerror or error}")
        return []


def say(message: str) -> None:
    """Write a line for people to standard error, if there is one."""
    if sys.stderr is not None:
        with suppress(OSError):
            print(message, file=sys.stderr, flush=True)


def flush_or_drop() -> None:
    """Empty the standard streams; what cannot be written is dropped, or Python would complain at its exit."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    finally:
        flush_or_drop()

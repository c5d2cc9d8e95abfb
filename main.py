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
from functools import partial  # noqa: E402
from pathlib import Path  # noqa: E402
from types import SimpleNamespace  # noqa: E402
from typing import TYPE_CHECKING, NoReturn  # noqa: E402

from streamforest.allocator import give_back_large_blocks  # noqa: E402
from streamforest.conflicts import check_conflicts  # noqa: E402
from streamforest.console import (  # noqa: E402
    flush_or_drop,
    is_attended,
    is_terminal,
    say,
    wait_for_readers,
    with_patience,
)
from streamforest.options import OptionError, read_options  # noqa: E402
from streamforest.patient_stream import PatientStream  # noqa: E402

if TYPE_CHECKING:
    from streamforest.views import Choice
    from streamforest.watch import Watch

FOLDER = Path(__file__).resolve().parent
DESCRIPTION = "Watch a stream of numbers and mark what is unusual in it while it happens."
DONE, FAILED, WRONG_USE = 0, 1, 2
#: Seconds that a live run waits for a reader of standard output who takes nothing, and any run for one of its messages.
OUTPUT_PATIENCE, MESSAGE_PATIENCE = 3.0, 1.0


def main(arguments: Sequence[str]) -> int:
    """Run the program; returns its exit code.

    Parameters
    ----------
    arguments : sequence of str
        The command line without the program's name.
    """
    try:
        options = read_options(arguments, load_settings(), FOLDER, program="main.py", description=DESCRIPTION)
        check_conflicts(options)
        options.compare = names_to_compare(options.compare)
        words = words_on_anomaly(options)
    except OptionError as error:
        say(f"main.py: {error}")
        return WRONG_USE
    if options.detector == "list":
        print(list_of_detectors())
        return DONE
    try:
        return run(options, arguments, words)
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


def list_of_detectors() -> str:
    """The detectors that there are: name, cost, memory and a line each."""
    from streamforest.detectors import DETECTORS  # noqa: PLC0415 - see run

    rows = [("name", "a point", "a stream", "what it is")]
    rows += [(name, entry.cost, entry.memory, entry.line) for name, entry in DETECTORS.items()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def names_to_compare(text: str | None) -> tuple[str, ...]:
    """The detectors to compare; none where that is not asked for.

    Raises
    ------
    OptionError
        They are too few, too many, unknown or the same.
    """
    if text is None:
        return ()
    from streamforest.comparison import LEAST_DETECTORS, MOST_DETECTORS  # noqa: PLC0415 - see run
    from streamforest.detectors import DETECTORS  # noqa: PLC0415

    names = tuple(name.strip() for name in text.split(","))
    if not set(names) <= set(DETECTORS) or not LEAST_DETECTORS <= len(set(names)) == len(names) <= MOST_DETECTORS:
        raise OptionError(
            f"COMPARE is {text!r}: it must be {LEAST_DETECTORS} to {MOST_DETECTORS} different ones of "
            f"{', '.join(DETECTORS)}, with commas between"
        )
    return names


def words_on_anomaly(options: SimpleNamespace) -> Sequence[str]:
    """The program that an episode runs, found, and its arguments; empty where none is wanted.

    Raises
    ------
    OptionError
        It cannot be run.
    """
    if options.on_anomaly is None:
        return ()
    from streamforest.sinks.hook import words_of  # noqa: PLC0415 - see run

    try:
        return words_of(options.on_anomaly)
    except ValueError as error:
        raise OptionError(f"ON_ANOMALY is {options.on_anomaly!r}: {error}") from None


def run(options: SimpleNamespace, arguments: Sequence[str], words: Sequence[str]) -> int:
    """Build the parts, watch the stream until the run ends, and sum it up; returns the exit code."""
    give_back_large_blocks()
    from anomaly import anomaly_dect  # noqa: PLC0415 - numpy and more: after the command line was found to be right
    from streamforest import assembly  # noqa: PLC0415
    from streamforest.checkpoint import CheckpointError  # noqa: PLC0415
    from streamforest.metrics import RunCounts  # noqa: PLC0415
    from streamforest.optional import MissingPackageError  # noqa: PLC0415
    from streamforest.protocols import DetectorError, SourceError  # noqa: PLC0415
    from streamforest.resumption import DifferentRunError  # noqa: PLC0415
    from streamforest.stop import StopFlag  # noqa: PLC0415
    from streamforest.stream_names import StreamNames  # noqa: PLC0415

    names = None if options.key_column is None else StreamNames()
    stop = StopFlag()
    counts = RunCounts(options.alarm_rate, alarms_a_day=options.alarms_a_day, names=names)
    watch = None
    try:
        resumption = assembly.make_resumption(options)
        source = assembly.make_source(options)
        if resumption is not None:
            resumption.add_source(source)
        detector, comparison = assembly.make_ready_detectors(options, source)
        choice = assembly.choose_view(options)
        sinks = assembly.make_sinks(options, words, comparison, names, resumption)
        is_kept = resumption is not None and names is None  # a kept stream's detector is always one that can be changed
        if choice.view != "none" or assembly.is_interactive(options) or is_kept:
            watch, detector, sinks = assembly.make_watch(
                options, source, detector, comparison, sinks, counts, stop, names
            )
        if resumption is not None:
            assembly.resume(resumption, detector, counts, sinks, names)
    except (SourceError, DetectorError, MissingPackageError, CheckpointError) as error:
        stop.close()
        say(f"main.py: {error}")
        return WRONG_USE if isinstance(error, DifferentRunError) else FAILED
    if watch is not None:
        assembly.open_view(choice, watch, options)
    summary, sinks = assembly.make_summary(
        options, arguments, source, detector, comparison, sinks, counts, stop, watch, names
    )
    on_stop_signals(stop.request)
    wait_for_readers(stop, OUTPUT_PATIENCE if source.live else None)
    assembly.listen_to_keys(watch, options)
    if is_terminal(sys.stderr):
        say(f"watching {source.name} with {detector.name}; {assembly.key_line(watch, options)}")

    if comparison is not None:
        sinks = [comparison, *sinks]

    def judge() -> None:
        anomaly_dect(
            *(source, detector, sinks, counts, stop),
            delay=options.delay,
            max_points=options.max_points,
            without_times=assembly.line_without_times(options),
            names=names,
            resumption=resumption,
            notify=say,
        )

    def counted() -> str:
        return counts.summary() if comparison is None else f"{counts.summary()}\n{comparison.summary()}"

    if watch is None:
        code = sum_up(judge, counted, summary)
        on_stop_signals(signal.SIG_IGN)  # the run is over: another Ctrl+C has nothing to end
    else:
        code = run_watched(judge, counted, watch, choice, summary)
    stop.close()
    return code


def run_watched(
    judge: Callable[[], None], counted: Callable[[], str], watch: Watch, choice: Choice, summary: Callable[[str], None]
) -> int:
    """Judge in a worker thread while the user watches; returns the exit code."""

    def go_on() -> None:
        watch.lose_display()
        leave(end_with(watch, sum_up(watch.rest, counted, summary)))

    if choice.view == "window":
        from streamforest.views.window import before_exit  # noqa: PLC0415 - matplotlib

        before_exit(go_on)
    code = sum_up(partial(watch.during, judge), counted, summary)
    if is_attended():
        watch.after()
    return end_with(watch, code)


def sum_up(judge: Callable[[], None], counted: Callable[[], str], summary: Callable[[str], None]) -> int:
    """Judge the stream to its end and say what there was to see; returns the exit code."""
    from streamforest.protocols import ReaderGoneError, SourceError  # noqa: PLC0415 - see run

    fault = ""
    try:
        judge()
    except ReaderGoneError:
        summary(fault)
        return DONE  # nobody is left to read more
    except SourceError as error:
        fault = str(error)
        say(f"main.py: {fault}")
    for line in counted().splitlines():
        say(line)
    summary(fault)
    return FAILED if fault else DONE


def end_with(watch: Watch, code: int) -> int:
    """Give terminal and screen back; returns the exit code."""
    on_stop_signals(signal.SIG_IGN)  # the run is over: another Ctrl+C has nothing to end
    watch.close()
    return code


def leave(code: int) -> NoReturn:
    """End the program here and now."""
    flush_or_drop()
    if isinstance(sys.stdout, PatientStream) and sys.stdout.unread:
        say(f"the last {sys.stdout.unread:,} lines were not written: nobody reads them")
    os._exit(code)


if __name__ == "__main__":
    sys.stdout = with_patience(sys.stdout, "standard output", None)
    sys.stderr = with_patience(sys.stderr, "standard error", MESSAGE_PATIENCE)
    try:
        exit_code = main(sys.argv[1:])
    finally:
        flush_or_drop()
    leave(exit_code)  # all is closed; Python's own end takes up to a second more, and a toolkit's may abort

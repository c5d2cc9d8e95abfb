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

import hashlib  # noqa: E402 - the handlers come first
import platform  # noqa: E402
from collections.abc import Callable, Mapping, Sequence  # noqa: E402
from datetime import UTC, datetime  # noqa: E402
from functools import partial  # noqa: E402
from pathlib import Path  # noqa: E402
from types import SimpleNamespace  # noqa: E402
from typing import TYPE_CHECKING, NoReturn, TextIO, cast  # noqa: E402

from streamforest.allocator import give_back_large_blocks  # noqa: E402
from streamforest.options import OptionError, names_file, read_options  # noqa: E402
from streamforest.patient_stream import PatientStream  # noqa: E402
from streamforest.plain import plain  # noqa: E402

if TYPE_CHECKING:
    from streamforest.comparison import DetectorComparison
    from streamforest.detectors import DetectorOptions
    from streamforest.history import History
    from streamforest.metrics import RunCounts
    from streamforest.protocols import Detector, Sink, Source, Status
    from streamforest.ranking import StreamRanking
    from streamforest.resumption import Resumption
    from streamforest.rules import Rules
    from streamforest.stop import StopFlag
    from streamforest.stream_names import StreamNames
    from streamforest.streams import StreamDetectors
    from streamforest.views import Choice
    from streamforest.watch import Watch

FOLDER = Path(__file__).resolve().parent
DESCRIPTION = "Watch a stream of numbers and mark what is unusual in it while it happens."
DONE, FAILED, WRONG_USE = 0, 1, 2
#: Settings that decide what is judged and how, beside source, detector and model.
DECIDING = (
    *("COLUMN", "TIME_COLUMN", "LABEL_COLUMN", "KEY_COLUMN", "DROP_AFTER", "FOLLOW", "OUTLIER_PROBABILITY", "SEED"),
    *("WINDOW", "REFIT_EVERY"),
    *("ALARM_RATE", "ALARMS_A_DAY", "DIRECTION", "MINIMUM_DEVIATION", "MINIMUM_DEVIATION_PERCENT", "COOL_DOWN"),
)
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
        check_follow(options)
        check_keys(options)
        check_paths(options)
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


def check_follow(options: SimpleNamespace) -> None:
    """Refuse to follow what is no file.

    Raises
    ------
    OptionError
        It is asked for, and the source is another one.
    """
    if options.follow and not names_file(options.source):
        raise OptionError(f"--follow is for files, and SOURCE is {options.source!r}: leave it away, or say --no-follow")


def check_keys(options: SimpleNamespace) -> None:
    """Refuse what does not go together with many streams side by side.

    Raises
    ------
    OptionError
        Something does not.
    """
    if options.key_column is None:
        if options.drop_after is not None:
            raise OptionError(
                f"DROP_AFTER is {options.drop_after:g}: it is for many streams, so give --key-column too, or none"
            )
        return
    kind = options.source.partition(":")[0]
    faults = {
        f"SOURCE is {options.source!r}, which has no columns: name a file, -, mqtt:, kafka: or prometheus:": (
            not names_file(options.source) and kind not in {"-", "mqtt", "mqtts", "kafka", "prometheus"}
        ),
        f"DETECTOR is {options.detector!r}: many streams are judged by isolation-forest": (
            options.detector not in {"isolation-forest", "list"}
        ),
        f"COMPARE is {options.compare!r}: several detectors are compared on one stream": options.compare is not None,
        "SNAPSHOT_ON_ANOMALY is on: that is for one stream, say --no-snapshot-on-anomaly": options.snapshot_on_anomaly,
    }
    for fault, is_there in faults.items():
        if is_there:
            raise OptionError(f"--key-column {options.key_column}: {fault}")


def check_paths(options: SimpleNamespace) -> None:
    """Keep the run from writing over what it reads, or two outputs from sharing a file.

    Raises
    ------
    OptionError
        Two paths are of one file.
    """
    taken = {"SOURCE": Path(options.source)} if names_file(options.source) else {}
    taken |= {"MODEL": options.model, "LSTM_MODEL": options.lstm_model}
    for name in ("LOG", "REPORT", "SUMMARY", "TOKEN_FILE", "CHECKPOINT"):
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
        resumption = make_resumption(options)
        source = make_source(options)
        if resumption is not None:
            resumption.add_source(source)
        detector, comparison = make_ready_detectors(options, source)
        choice = choose_view(options)
        sinks = make_sinks(options, words, comparison, names, resumption)
        is_kept = resumption is not None and names is None  # a kept stream's detector is always one that can be changed
        if choice.view != "none" or is_interactive(options) or is_kept:
            watch, detector, sinks = make_watch(options, source, detector, comparison, sinks, counts, stop, names)
        if resumption is not None:
            resume(resumption, detector, counts, sinks, names)
    except (SourceError, DetectorError, MissingPackageError, CheckpointError) as error:
        stop.close()
        say(f"main.py: {error}")
        return WRONG_USE if isinstance(error, DifferentRunError) else FAILED
    if watch is not None:
        open_view(choice, watch, options)
    summary, sinks = make_summary(options, arguments, source, detector, comparison, sinks, counts, stop, watch, names)
    on_stop_signals(stop.request)
    wait_for_readers(stop, OUTPUT_PATIENCE if source.live else None)
    listen_to_keys(watch, options)
    if is_terminal(sys.stderr):
        say(f"watching {source.name} with {detector.name}; {key_line(watch, options)}")

    if comparison is not None:
        sinks = [comparison, *sinks]

    def judge() -> None:
        anomaly_dect(
            *(source, detector, sinks, counts, stop),
            delay=options.delay,
            max_points=options.max_points,
            without_times=line_without_times(options),
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


def make_resumption(options: SimpleNamespace) -> Resumption | None:
    """What keeps the run, if that is asked for; it goes on from what was kept before.

    Raises
    ------
    CheckpointError
        Another run uses the checkpoint, it cannot be used, or it is one of another run.
    """
    if options.checkpoint is None:
        return None
    from streamforest.checkpoint import CheckpointFile  # noqa: PLC0415 - see run
    from streamforest.resumption import Resumption  # noqa: PLC0415

    return Resumption(CheckpointFile(options.checkpoint), fingerprint_of(options), options.checkpoint_every, say)


def fingerprint_of(options: SimpleNamespace) -> dict[str, str]:
    """What decides the results of a run: a checkpoint of another one is of no use to it."""
    from streamforest.addresses import without_passwords  # noqa: PLC0415 - see run

    is_file = names_file(options.source)
    source = os.path.abspath(options.source) if is_file else without_passwords(options.source)  # noqa: PTH100 - ditto
    names = options.compare or (options.detector,)
    models = {"isolation-forest": ("MODEL", options.model), "lstm-autoencoder": ("LSTM_MODEL", options.lstm_model)}
    digests = {models[name][0]: digest_of(models[name][1]) for name in names if name in models}
    return {
        "SOURCE": source,
        "DETECTOR": ",".join(names),
        **{name: str(getattr(options, name.lower())) for name in DECIDING},
        **digests,
    }


def digest_of(path: Path) -> str:
    """What a file's content is told by; empty where it cannot be read, which whoever needs it will tell."""
    try:
        with path.open("rb") as file:
            return f"a file with SHA-256 {hashlib.file_digest(file, 'sha256').hexdigest()[:16]}"
    except OSError:
        return ""


def resume(
    resumption: Resumption,
    detector: Detector | StreamDetectors,
    counts: RunCounts,
    sinks: Sequence[Sink],
    names: StreamNames | None,
) -> None:
    """Let all parts of a run go on from where they were kept, if they were; from now on they are.

    Raises
    ------
    CheckpointError
        What was kept does not fit.
    """
    from streamforest.streams import AllStreams  # noqa: PLC0415 - see run

    if names is None:
        resumption.add("detector", cast("Detector", detector))
    else:
        resumption.add("streams", AllStreams(cast("StreamDetectors", detector)))
        resumption.add("names", names)
    resumption.add("counts", counts)
    for sink in sinks:
        resumption.add_sink(sink)
    if resumption.is_resumed:
        say(f"going on from the checkpoint {resumption.path} at point {counts.points:,}")


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


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a standard stream is there and is a terminal."""
    return stream is not None and not stream.closed and stream.isatty()


def is_attended() -> bool:
    """Whether somebody is at the terminal: can type, and read what is said."""
    return is_terminal(sys.stdin) and is_terminal(sys.stderr)


def has_keys(options: SimpleNamespace) -> bool:
    """Whether keys can be typed in the terminal: there is one, and what is typed there is not what is watched."""
    return options.source != "-" and is_terminal(sys.stdin)


def is_interactive(options: SimpleNamespace) -> bool:
    """Whether anything may be asked of the run while it goes on, a view apart."""
    return has_keys(options) or options.global_hotkey or options.snapshot_on_anomaly


def choose_view(options: SimpleNamespace) -> Choice:
    """Where the picture will be; says so, and why."""
    from streamforest.views import choose  # noqa: PLC0415 - see run

    choice = choose(options.view if options.visualization else "none", is_attended(), os.environ)
    if choice.why:
        say(choice.why)
    return choice


def make_watch(
    options: SimpleNamespace,
    source: Source,
    detector: Detector | StreamDetectors,
    comparison: DetectorComparison | None,
    sinks: list[Sink],
    counts: RunCounts,
    stop: StopFlag,
    names: StreamNames | None = None,
) -> tuple[Watch, Detector | StreamDetectors, list[Sink]]:
    """What keeps the user in touch, with the detector and the sinks that it needs."""
    from streamforest.actions import Actions  # noqa: PLC0415 - see run
    from streamforest.detectors import DETECTORS, make_detector  # noqa: PLC0415
    from streamforest.history import History  # noqa: PLC0415
    from streamforest.optional import MissingPackageError  # noqa: PLC0415
    from streamforest.protocols import DetectorError  # noqa: PLC0415
    from streamforest.sinks.episode_end import EpisodeEndSink  # noqa: PLC0415
    from streamforest.sinks.report import RecentReport  # noqa: PLC0415
    from streamforest.switch import DetectorSwitch  # noqa: PLC0415
    from streamforest.watch import Output, Watch  # noqa: PLC0415

    actions, anomalies = Actions(), RecentReport(comparison=comparison, names=names)
    known = new_memory(options, comparison, names)
    switch = None
    if isinstance(known, History):  # of one stream
        others = tuple(DETECTORS) if comparison is None else (detector.name,)
        make = partial(make_detector, options=detector_options(options, source))
        faults = (ValueError, DetectorError, MissingPackageError)
        switch = DetectorSwitch(cast("Detector", detector), others, make, known.newest, say, rules_of(options), faults)
        detector = switch

    def status() -> Status:
        all_names = (detector.name,) if switch is None else switch.names
        return status_of(counts, source, detector.name, all_names, getattr(detector, "warm_up_points", 0), comparison)

    output = Output(options.images, options.theme, picture_texts(options), options.report, Path())
    watch = Watch(known, anomalies, status, actions, stop, switch, output, say)
    kept: list[Sink] = [known, anomalies]
    if options.snapshot_on_anomaly:
        kept.append(EpisodeEndSink(watch.end_episode, options.cool_down))
    return watch, detector, [*kept, *sinks]


def new_memory(
    options: SimpleNamespace, comparison: DetectorComparison | None, names: StreamNames | None
) -> History | StreamRanking:
    """What keeps the points that are drawn: of one stream or of many."""
    from streamforest.history import History  # noqa: PLC0415 - see run
    from streamforest.ranking import StreamRanking  # noqa: PLC0415

    if names is not None:
        return StreamRanking(names, options.cool_down)
    history = History(options.history)
    history.marks = None if comparison is None else comparison.marks
    return history


def make_summary(
    options: SimpleNamespace,
    arguments: Sequence[str],
    source: Source,
    detector: Detector | StreamDetectors,
    comparison: DetectorComparison | None,
    sinks: list[Sink],
    counts: RunCounts,
    stop: StopFlag,
    watch: Watch | None,
    names: StreamNames | None,
) -> tuple[Callable[[str], None], list[Sink]]:
    """What writes the page of the run at its end, given what broke it, with the sinks that it needs."""
    if options.summary is None:
        return lambda _fault: None, sinks
    from streamforest.addresses import without_passwords  # noqa: PLC0415 - see run
    from streamforest.repeat import repeating, shown_settings  # noqa: PLC0415
    from streamforest.summary import (  # noqa: PLC0415
        Facts,
        RecentEpisodes,
        agreement,
        check_place,
        summary_page,
        write_summary,
    )

    try:
        check_place(options.summary)
    except OSError as error:
        say(f"no summary, the run goes on without it: {options.summary}: {error.strerror or error}")
        return lambda _fault: None, sinks
    known = watch.history if watch is not None else new_memory(options, comparison, names)
    episodes = RecentEpisodes(options.cool_down, names=names)
    began = datetime.now(UTC)

    def status() -> Status:
        return status_of(counts, source, detector.name, (detector.name,), 1, comparison)

    def write(fault: str) -> None:
        ending = f"failed: {fault}" if fault else "stopped by the user" if stop.requested else "all points judged"
        facts = Facts(
            source=without_passwords(source.name),
            detector=detector.name,
            began=began,
            ended=datetime.now(UTC),
            ending=without_passwords(ending),
            command=repeating("python main.py", arguments),
            settings=shown_settings(vars(options)),
            versions=versions(),
        )
        try:
            further = [] if comparison is None else [agreement(comparison.table())]
            write_summary(options.summary, summary_page(facts, counts, status, known, episodes, further))
        except OSError as error:
            say(f"no summary: {options.summary}: {error.strerror or error}")
        else:
            say(f"summary written: {options.summary}")

    return write, [*([known] if watch is None else []), episodes, *sinks]


def status_of(
    counts: RunCounts,
    source: Source,
    detector: str,
    detectors: tuple[str, ...],
    warm_up_points: int,
    comparison: DetectorComparison | None,
) -> Status:
    """How the run stands now, and how far the detectors agree where several judge."""
    status = counts.status(source.name, detector, detectors, warm_up_points)
    return status if comparison is None else status._replace(agreement=comparison.shared())


def versions() -> str:
    """Of what a run is made with."""
    import numpy as np  # noqa: PLC0415 - see run

    import streamforest  # noqa: PLC0415

    return f"streamforest {streamforest.__version__}, Python {platform.python_version()}, numpy {np.__version__}"


def picture_texts(options: SimpleNamespace) -> dict[str, str]:
    """What every saved picture tells of the run: source, seed, settings, versions."""
    from streamforest.addresses import without_passwords  # noqa: PLC0415 - see run
    from streamforest.repeat import shown_settings  # noqa: PLC0415

    texts = {
        "Source": without_passwords(options.source),
        "Seed": str(options.seed) if options.source.partition(":")[0] == "simulated" else "none",
        "Settings": ", ".join(f"{name}={value}" for name, value in shown_settings(vars(options)).items()),
        "Versions": versions(),
    }
    return {name: plain(text) for name, text in texts.items()}


def open_view(choice: Choice, watch: Watch, options: SimpleNamespace) -> None:
    """Open the view that was chosen; where that fails the run goes on without one."""
    from streamforest.views import ViewError, make_view  # noqa: PLC0415 - see run

    try:
        view = make_view(
            choice,
            watch,
            theme=options.theme,
            port=options.port,
            public=options.public,
            notify=say,
            token_file=options.token_file,
        )
    except ViewError as error:
        say(f"view: none; {error}")
        return
    if view is not None:
        watch.show(view)


def listen_to_keys(watch: Watch | None, options: SimpleNamespace) -> None:
    """Listen to the terminal's keys, and to all keys where that is wished for."""
    from streamforest.keys import listen, listen_everywhere  # noqa: PLC0415 - see run

    if watch is None:
        return
    if has_keys(options):
        watch.hear(listen(watch.actions.ask))
    if options.global_hotkey:
        listen_everywhere(watch.actions.ask, say)


def key_line(watch: Watch | None, options: SimpleNamespace) -> str:
    """The keys that work in the terminal, for people."""
    if watch is None or not has_keys(options):
        return "Ctrl+C ends the run"
    return "q saves a picture, r the report, d changes the detector, Ctrl+C ends the run"


def make_source(options: SimpleNamespace) -> Source:
    """The source that was chosen."""
    from streamforest.sources import SourceOptions, open_source  # noqa: PLC0415 - see run

    source = open_source(
        options.source,
        SourceOptions(
            say,
            column=options.column,
            time_column=options.time_column,
            label_column=options.label_column,
            key_column=options.key_column,
            seed=options.seed,
            outlier_probability=options.outlier_probability,
            follow=options.follow,
            interval=options.interval,
        ),
    )
    source.name = plain(source.name)
    return source


def rules_of(options: SimpleNamespace) -> Rules:
    """The alarm rules that were chosen."""
    from streamforest.rules import Rules  # noqa: PLC0415 - see run

    return Rules(
        direction=options.direction,
        minimum_deviation=options.minimum_deviation,
        minimum_deviation_percent=options.minimum_deviation_percent,
        alarms_a_day=options.alarms_a_day,
        cool_down=options.cool_down,
    )


def detector_options(options: SimpleNamespace, source: Source) -> DetectorOptions:
    """What was chosen for whichever detector judges."""
    from streamforest.detectors import DetectorOptions  # noqa: PLC0415 - see run

    return DetectorOptions(
        options.model,
        options.alarm_rate,
        rules_of(options),
        options.seed,
        options.window,
        options.refit_every,
        options.refits,
        lstm_model=options.lstm_model,
        waits=not source.live and options.delay == 0,
        notify=say,
    )


def line_without_times(options: SimpleNamespace) -> str:
    """What is to be said of a stream without times; empty where nothing depends on them."""
    if options.alarms_a_day is None:
        return ""
    return (
        f"the first point has no time: --alarms-a-day {options.alarms_a_day:g} needs times, "
        f"until there are some --alarm-rate {options.alarm_rate:g} decides"
    )


def make_ready_detectors(
    options: SimpleNamespace, source: Source
) -> tuple[Detector | StreamDetectors, DetectorComparison | None]:
    """The detector that was chosen, and the comparison that it is where several were; models loaded, all compiled."""
    import numpy as np  # noqa: PLC0415 - see run

    from streamforest.comparison import DetectorComparison  # noqa: PLC0415
    from streamforest.compiled import telling_of_compiling  # noqa: PLC0415
    from streamforest.detectors import make_detector  # noqa: PLC0415

    if options.key_column is not None:
        with telling_of_compiling(say):
            return make_ready_streams(options), None
    names = options.compare or (options.detector,)
    with telling_of_compiling(say):
        first, *others = (make_detector(name, detector_options(options, source)) for name in names)
        comparison = DetectorComparison(first, others, options.history) if others else None
        detector: Detector = first if comparison is None else comparison
        detector.catch_up(np.empty(0), np.empty(0))  # compiles while a signal still ends the program at once
    return detector, comparison


def make_ready_streams(options: SimpleNamespace) -> StreamDetectors:
    """What judges many streams side by side; model loaded, all compiled."""
    from streamforest.streams import StreamDetectors  # noqa: PLC0415 - see run

    detectors = StreamDetectors.load(options.model, options.alarm_rate, rules_of(options), silence=options.drop_after)
    detectors.update([], [])
    return detectors


def make_sinks(
    options: SimpleNamespace,
    words: Sequence[str] = (),
    comparison: DetectorComparison | None = None,
    names: StreamNames | None = None,
    resumption: Resumption | None = None,
) -> list[Sink]:
    """The sinks that were chosen and can be opened; standard output last, as its reader may end the run."""
    from streamforest.sinks.event_log import EventLogSink  # noqa: PLC0415 - see run
    from streamforest.sinks.hook import HookSink  # noqa: PLC0415
    from streamforest.sinks.report import ReportSink  # noqa: PLC0415
    from streamforest.sinks.terminal import TerminalSink, has_reader, json_lines, wants_colour  # noqa: PLC0415

    def open_log(path: Path) -> EventLogSink:
        return EventLogSink(path, options.log_bytes, options.log_files, options.cool_down, names)

    log = opened("log", options.log, open_log)
    goes_on = resumption is not None and resumption.has(ReportSink.__name__)
    open_report = partial(ReportSink, comparison=comparison, names=names, goes_on=goes_on)
    report = opened("report", options.report, open_report)
    describe = partial(json_lines, names=names)
    hook = [HookSink(words, options.on_anomaly_seconds, describe, say, options.cool_down, names)] if words else []
    if sys.stdout is None or not has_reader(sys.stdout):
        return [*hook, *log, *report]
    colour = wants_colour(sys.stdout, os.environ)
    return [*hook, *log, *report, TerminalSink(sys.stdout, options.format, colour, names=names)]


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
    """Write a line for people to standard error, if there is one; what a name or a source put in forges none."""
    if sys.stderr is not None:
        with suppress(OSError):
            sys.stderr.write(f"{plain(message)}\n")  # in one piece: the worker thread speaks too
            sys.stderr.flush()


def wait_for_readers(stop: StopFlag, patience: float | None) -> None:
    """Let a live run go on, and any run end, though nobody reads what it writes; a replay waits for its reader."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, PatientStream):
            stream.stop, stream.notify = stop, say
    if isinstance(sys.stdout, PatientStream):
        sys.stdout.patience = patience


def flush_or_drop() -> None:
    """Empty the standard streams; what cannot be written is dropped, or Python would complain at its exit."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if isinstance(stream, PatientStream):
                stream.finish()
            elif stream is not None:
                stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def with_patience(stream: TextIO | None, name: str, patience: float | None) -> TextIO | None:
    """A standard stream that holds nobody up, if there is one."""
    return None if stream is None else cast(TextIO, PatientStream(stream, name, patience))


if __name__ == "__main__":
    sys.stdout = with_patience(sys.stdout, "standard output", None)
    sys.stderr = with_patience(sys.stderr, "standard error", MESSAGE_PATIENCE)
    try:
        exit_code = main(sys.argv[1:])
    finally:
        flush_or_drop()
    leave(exit_code)  # all is closed; Python's own end takes up to a second more, and a toolkit's may abort

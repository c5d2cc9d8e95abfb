"""The parts of a run, as its options ask for them, and how the run goes on from a checkpoint."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import numpy as np

import streamforest
from streamforest.addresses import without_passwords
from streamforest.checkpoint import CheckpointFile
from streamforest.comparison import DetectorComparison
from streamforest.compiled import telling_of_compiling
from streamforest.console import is_attended, is_terminal, say
from streamforest.detectors import DETECTORS, DetectorOptions, make_detector
from streamforest.optional import MissingPackageError
from streamforest.options import names_file
from streamforest.plain import plain
from streamforest.protocols import DetectorError
from streamforest.resumption import Resumption
from streamforest.rules import Rules
from streamforest.sinks.event_log import EventLogSink
from streamforest.sinks.hook import HookSink
from streamforest.sinks.report import RecentReport, ReportSink
from streamforest.sinks.terminal import TerminalSink, has_reader, json_lines, wants_colour
from streamforest.sources import SourceOptions, open_source
from streamforest.views import Choice, ViewError, choose, make_view

if TYPE_CHECKING:
    from streamforest.history import History
    from streamforest.metrics import RunCounts
    from streamforest.protocols import Detector, Sink, Source, Status
    from streamforest.ranking import StreamRanking
    from streamforest.stop import StopFlag
    from streamforest.stream_names import StreamNames
    from streamforest.streams import StreamDetectors
    from streamforest.watch import Watch

#: Settings that decide what is judged and how, beside source, detector and model.
DECIDING = (
    *("COLUMN", "TIME_COLUMN", "LABEL_COLUMN", "KEY_COLUMN", "DROP_AFTER", "FOLLOW", "OUTLIER_PROBABILITY", "SEED"),
    *("WINDOW", "REFIT_EVERY"),
    *("ALARM_RATE", "ALARMS_A_DAY", "DIRECTION", "MINIMUM_DEVIATION", "MINIMUM_DEVIATION_PERCENT", "COOL_DOWN"),
)


def make_source(options: SimpleNamespace) -> Source:
    """The source that was chosen."""
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


def make_ready_detectors(
    options: SimpleNamespace, source: Source
) -> tuple[Detector | StreamDetectors, DetectorComparison | None]:
    """The detector that was chosen, and the comparison that it is where several were; models loaded, all compiled."""
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
    from streamforest.streams import StreamDetectors  # noqa: PLC0415 - many streams only

    detectors = StreamDetectors.load(options.model, options.alarm_rate, rules_of(options), silence=options.drop_after)
    detectors.update([], [])
    return detectors


def detector_options(options: SimpleNamespace, source: Source) -> DetectorOptions:
    """What was chosen for whichever detector judges."""
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


def rules_of(options: SimpleNamespace) -> Rules:
    """The alarm rules that were chosen."""
    return Rules(
        direction=options.direction,
        minimum_deviation=options.minimum_deviation,
        minimum_deviation_percent=options.minimum_deviation_percent,
        alarms_a_day=options.alarms_a_day,
        cool_down=options.cool_down,
    )


def line_without_times(options: SimpleNamespace) -> str:
    """What is to be said of a stream without times; empty where nothing depends on them."""
    if options.alarms_a_day is None:
        return ""
    return (
        f"the first point has no time: --alarms-a-day {options.alarms_a_day:g} needs times, "
        f"until there are some --alarm-rate {options.alarm_rate:g} decides"
    )


def make_sinks(
    options: SimpleNamespace,
    words: Sequence[str] = (),
    comparison: DetectorComparison | None = None,
    names: StreamNames | None = None,
    resumption: Resumption | None = None,
) -> list[Sink]:
    """The sinks that were chosen and can be opened; standard output last, as its reader may end the run."""

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


def make_resumption(options: SimpleNamespace) -> Resumption | None:
    """What keeps the run, if that is asked for; it goes on from what was kept before.

    Raises
    ------
    CheckpointError
        Another run uses the checkpoint, it cannot be used, or it is one of another run.
    """
    if options.checkpoint is None:
        return None
    return Resumption(CheckpointFile(options.checkpoint), fingerprint_of(options), options.checkpoint_every, say)


def fingerprint_of(options: SimpleNamespace) -> dict[str, str]:
    """What decides the results of a run: a checkpoint of another one is of no use to it."""
    is_file = names_file(options.source)
    source = os.path.abspath(options.source) if is_file else without_passwords(options.source)  # noqa: PTH100 - as in conflicts
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
    if names is None:
        resumption.add("detector", cast("Detector", detector))
    else:
        from streamforest.streams import AllStreams  # noqa: PLC0415 - many streams only

        resumption.add("streams", AllStreams(cast("StreamDetectors", detector)))
        resumption.add("names", names)
    resumption.add("counts", counts)
    for sink in sinks:
        resumption.add_sink(sink)
    if resumption.is_resumed:
        say(f"going on from the checkpoint {resumption.path} at point {counts.points:,}")


def choose_view(options: SimpleNamespace) -> Choice:
    """Where the picture will be; says so, and why."""
    choice = choose(options.view if options.visualization else "none", is_attended(), os.environ)
    if choice.why:
        say(choice.why)
    return choice


def has_keys(options: SimpleNamespace) -> bool:
    """Whether keys can be typed in the terminal: there is one, and what is typed there is not what is watched."""
    return options.source != "-" and is_terminal(sys.stdin)


def is_interactive(options: SimpleNamespace) -> bool:
    """Whether anything may be asked of the run while it goes on, a view apart."""
    return has_keys(options) or options.global_hotkey or options.snapshot_on_anomaly


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
    from streamforest.actions import Actions  # noqa: PLC0415 - only where somebody watches
    from streamforest.history import History  # noqa: PLC0415
    from streamforest.sinks.episode_end import EpisodeEndSink  # noqa: PLC0415
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
    from streamforest.history import History  # noqa: PLC0415 - see make_watch
    from streamforest.ranking import StreamRanking  # noqa: PLC0415

    if names is not None:
        return StreamRanking(names, options.cool_down)
    history = History(options.history)
    history.marks = None if comparison is None else comparison.marks
    return history


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


def picture_texts(options: SimpleNamespace) -> dict[str, str]:
    """What every saved picture tells of the run: source, seed, settings, versions."""
    from streamforest.repeat import shown_settings  # noqa: PLC0415 - see make_watch

    texts = {
        "Source": without_passwords(options.source),
        "Seed": str(options.seed) if options.source.partition(":")[0] == "simulated" else "none",
        "Settings": ", ".join(f"{name}={value}" for name, value in shown_settings(vars(options)).items()),
        "Versions": versions(),
    }
    return {name: plain(text) for name, text in texts.items()}


def versions() -> str:
    """Of what a run is made with."""
    return f"streamforest {streamforest.__version__}, Python {platform.python_version()}, numpy {np.__version__}"


def open_view(choice: Choice, watch: Watch, options: SimpleNamespace) -> None:
    """Open the view that was chosen; where that fails the run goes on without one."""
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
    from streamforest.keys import listen, listen_everywhere  # noqa: PLC0415 - see make_watch

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
    from streamforest.repeat import repeating, shown_settings  # noqa: PLC0415 - only where it is asked for
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

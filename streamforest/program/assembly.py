"""The parts of a run, as its options ask for them: source, detectors, rules, sinks."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streamforest.compiled import telling_of_compiling
from streamforest.connections.outbox import Outbox
from streamforest.detectors import DETECTORS, DetectorOptions, make_detector
from streamforest.features.holidays import public_holidays
from streamforest.judging.rejudging import AlarmSettings
from streamforest.judging.rules import Rules
from streamforest.judging.switch import DetectorSwitch, IsQuiet
from streamforest.optional import MissingPackageError
from streamforest.program.budget import BudgetJudge
from streamforest.program.judges import ManyStreamsJudge, OneStreamJudge, PointJudge
from streamforest.program.maintenance import MaintenanceJudge
from streamforest.program.maintenance_windows import MaintenanceWindows
from streamforest.protocols import VERDICT_DTYPE, DetectorError, Verdicts
from streamforest.reading.column_layout import Dialect
from streamforest.reading.time_form import zone_of
from streamforest.sinks.episode_lines import EpisodeLinesSink
from streamforest.sinks.event_log import EventLogSink
from streamforest.sinks.hook import HookSink
from streamforest.sinks.report import ReportSink
from streamforest.sinks.tell import TellSink
from streamforest.sinks.terminal import Form, TerminalSink, has_reader, json_lines, wants_colour
from streamforest.sources import SourceOptions, open_source
from streamforest.storage.journal import Journal
from streamforest.stream_names import StreamNames
from streamforest.terminal.console import is_terminal, say
from streamforest.text import escaped
from streamforest.verdicts.comparison import DetectorComparison
from streamforest.verdicts.episodes import Episode, Happening
from streamforest.verdicts.incidents import IncidentFold, Incidents
from streamforest.verdicts.life import EpisodeIds, EpisodeLife, Event
from streamforest.verdicts.seen_before import SeenBefore, likeness_event

if TYPE_CHECKING:
    from streamforest.program.description import Run
    from streamforest.protocols import Detector, Sink, Source


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
            dialect=Dialect(options.time_format, options.time_zone, options.decimal),
            checkpoint=options.checkpoint,
        ),
    )
    source.name = escaped(source.name)
    return source


def make_judge(options: SimpleNamespace, source: Source) -> tuple[PointJudge, DetectorComparison | None]:
    """Who judges, and the comparison that it is if several detectors do; models loaded, all compiled."""
    make = _many_streams if options.key_column is not None else _one_stream
    with telling_of_compiling(say):
        judge, comparison = make(options, source, None)
        if options.ignore is not None:
            shadow, _ = make(options, source, judge.keys)
            windows = MaintenanceWindows(options.ignore, zone_of(options.time_zone) or UTC)
            judge = MaintenanceJudge(judge, shadow, windows, say)
        if judge.keys is not None and options.alarms_a_day is not None:
            asked = options.alarms_a_day, options.alarm_rate, options.cool_down
            judge = BudgetJudge(judge, judge.keys, *asked)
    return judge, comparison


def _one_stream(
    options: SimpleNamespace, source: Source, _keys: StreamNames | None
) -> tuple[PointJudge, DetectorComparison | None]:
    names = options.compare or (options.detector,)
    if "isolation-forest" in names:
        _compile_ahead(options, source)
    make = detector_maker(options, source)
    first, *others = map(make, names)
    comparison = DetectorComparison(first, others, options.history) if others else None
    detector: Detector = first if comparison is None else comparison
    if tuple(names) != ("isolation-forest",) or not _comes_singly(options, source):  # its step over one is compiled
        detector.catch_up(np.empty(0), np.empty(0))  # compiles while a signal still ends the program at once
    all_names = tuple(DETECTORS) if comparison is None else (detector.name,)
    faults = (ValueError, DetectorError, MissingPackageError)

    def make_switch(recent: Callable[[int], Verdicts]) -> DetectorSwitch:
        switch = DetectorSwitch(detector, all_names, make, recent, say, rules_of(options), faults)
        switch.is_quiet = quiet_times(options)
        return switch

    return OneStreamJudge(make_switch), comparison


def detector_maker(options: SimpleNamespace, source: Source) -> Callable[[str], Detector]:
    """Name -> a fresh detector, as the options ask for it."""
    return partial(make_detector, options=detector_options(options, source))


def quiet_times(options: SimpleNamespace) -> IsQuiet | None:
    """The times without alarms that rules ask for; None where there are none."""
    texts = settings_of(options).quiet
    return MaintenanceWindows(texts, zone_of(options.time_zone) or UTC).inside if texts else None


def judge_to_try(options: SimpleNamespace, source: Source, settings: AlarmSettings) -> PointJudge:
    """A judge of one stream with other settings, to judge kept readings again: as a run's own, and in silence.

    Raises
    ------
    ValueError, DetectorError, MissingPackageError
        Its detector cannot be made; the message is for the user.
    """
    options = with_settings(options, settings)
    quietly = detector_options(options, source)._replace(waits=True, refits=None, notify=_say_nothing)

    def new_judge() -> OneStreamJudge:
        detector = make_detector(settings.detector, quietly)
        switch = DetectorSwitch(detector, (detector.name,), lambda _: detector, _nothing, _say_nothing, settings.rules)
        switch.is_quiet = quiet_times(options)
        return OneStreamJudge(lambda _: switch)

    if options.ignore is None:
        return new_judge()
    windows = MaintenanceWindows(options.ignore, zone_of(options.time_zone) or UTC)
    return MaintenanceJudge(new_judge(), new_judge(), windows, _say_nothing)


def _say_nothing(_line: str) -> None:
    """Take a line that nobody wants to read."""


def _nothing(_n: int) -> Verdicts:
    return np.empty(0, VERDICT_DTYPE)


def settings_of(options: SimpleNamespace) -> AlarmSettings:
    """The settings of the alarms among the options, and the times without alarms that rules ask for."""
    quiet = getattr(options, "quiet", ())
    return AlarmSettings(options.detector, options.alarm_rate, rules_of(options), quiet)


def with_settings(options: SimpleNamespace, settings: AlarmSettings) -> SimpleNamespace:
    """The options with other settings of the alarms."""
    changed = {"detector": settings.detector, "alarm_rate": settings.alarm_rate, "quiet": settings.quiet}
    return SimpleNamespace(**vars(options) | changed | asdict(settings.rules))


def _many_streams(options: SimpleNamespace, source: Source, keys: StreamNames | None) -> tuple[PointJudge, None]:
    from streamforest.program.paged_streams import PagedStreams  # noqa: PLC0415 - many streams only

    _compile_ahead(options, source)
    most = _most_streams(options) if keys is None else keys.most
    detectors = PagedStreams.load(
        options.model,
        options.alarm_rate,
        replace(rules_of(options), alarms_a_day=None),  # that is a budget of all streams, see BudgetJudge
        most=most,
        silence=options.drop_after,
        holidays=holidays_of(options),
    )
    detectors.update([], [])
    return ManyStreamsJudge(detectors, StreamNames(most) if keys is None else keys), None


def _most_streams(options: SimpleNamespace) -> int:
    """How many streams there may be at the same time; says so if free memory decides."""
    from streamforest.program.memory import MEGABYTE, free_memory, most_streams  # noqa: PLC0415 - many streams only
    from streamforest.streams import RECORD_BYTES  # noqa: PLC0415

    if options.most_streams is not None:
        return int(options.most_streams)
    free = free_memory(None if options.memory_limit is None else options.memory_limit * MEGABYTE)
    copies = 1 if options.ignore is None else 3  # of its record: in a window it is judged by a copy, made of another
    most = most_streams(copies * RECORD_BYTES, options.checkpoint is not None, free)
    of = "" if free is None else f", by the {free / 1e9:.1f} GB of memory that are free"
    say(f"at most {most:,} streams at the same time{of}; --most-streams changes that")
    return most


def _compile_ahead(options: SimpleNamespace, source: Source) -> None:
    """Compile what the default detector needs, if no earlier run has."""
    from streamforest.program import warm_up  # noqa: PLC0415 - only where it judges

    warm_up.compile_all("point" if _comes_singly(options, source) else "stream")


def _comes_singly(options: SimpleNamespace, source: Source) -> bool:
    """Whether most blocks of readings have one."""
    return source.live or options.delay > 0


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
        holidays=holidays_of(options),
        waits=not source.live and options.delay == 0,
        notify=say,
    )


def holidays_of(options: SimpleNamespace) -> NDArray[np.void] | None:
    """The public holidays that were asked for, in the stream's zone."""
    zone = zone_of(options.time_zone) or UTC
    return None if options.holidays is None else public_holidays(options.holidays, zone)


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
    lacking = []
    if options.alarms_a_day is not None:
        lacking.append(
            f"--alarms-a-day {options.alarms_a_day:g} needs times, "
            f"until there are some --alarm-rate {options.alarm_rate:g} decides"
        )
    if options.holidays is not None:
        lacking.append(f"--holidays {options.holidays} needs times, until there are some no day is a holiday")
    return f"the first point has no time: {'; '.join(lacking)}" if lacking else ""


def make_sinks(run: Run, *, is_shown: bool) -> list[Sink]:
    """The sinks that were chosen and can be opened; standard output last, as its reader may end the run.

    ``is_shown`` says whether the user sees the points in a view.
    """
    options, words, keys = run.options, run.command.on_anomaly, run.judge.keys

    source = run.source_id

    def open_log(path: Path) -> EventLogSink:
        size = options.log_bytes, options.log_files
        return EventLogSink(path, *size, run.cool_down, keys, source, run.incidents, run.seen)

    log = opened("log", options.log, open_log)
    goes_on = run.resumption is not None and run.resumption.has(ReportSink.__name__)
    ids = EpisodeIds(source, keys)
    open_report = partial(ReportSink, comparison=run.comparison, names=keys, goes_on=goes_on, ids=ids)
    report = opened("report", options.report, open_report)
    describe = partial(json_lines, names=keys)
    own = (options.on_anomaly_seconds, describe, say, run.cool_down, keys, lambda: run.stop.deadline, source)
    hook = [HookSink(words, *own)] if words else []
    tell = [] if run.tell is None else [run.tell]
    if sys.stdout is None or not has_reader(sys.stdout):
        return [*hook, *tell, *log, *report]
    colour = wants_colour(sys.stdout, os.environ)
    if options.format == "auto" and is_shown and is_terminal(sys.stdout):
        return [
            *hook,
            *tell,
            *log,
            *report,
            EpisodeLinesSink(sys.stdout, colour, run.cool_down, keys, run.incidents, run.seen),
        ]
    form: Form = "text" if options.format == "auto" else options.format
    printed = TerminalSink(sys.stdout, form, colour, names=keys, life=new_life(run), incidents=run.incidents)
    return [*hook, *tell, *log, *report, printed]


def make_incidents(options: SimpleNamespace, source: str, keys: StreamNames | None) -> Incidents | None:
    """What finds episodes of many streams that begin together; None where there is one stream."""
    if keys is None:
        return None
    return Incidents(IncidentFold(keys, source, options.alarm_rate, options.cool_down))


def make_seen(run: Run) -> SeenBefore:
    """What knows which earlier episodes new ones are like, and what a person has said of these."""
    path, keys = run.options.verdicts, run.judge.keys
    if path is None or keys is not None:
        return SeenBefore(run.source_id, run.cool_down, keys)
    from streamforest.program.opinions import Opinions  # noqa: PLC0415 - seldom needed
    from streamforest.storage.verdict_file import VerdictFile  # noqa: PLC0415

    return SeenBefore(run.source_id, run.cool_down, said=Opinions(run.source_id, VerdictFile(path)).said_of)


def new_life(run: Run) -> EpisodeLife:
    """What finds the events of a run's episodes."""

    def like(episode: Episode, happening: Happening) -> Event | None:
        return None if run.seen is None else likeness_event(run.seen.of(episode, happening))

    return EpisodeLife(run.source_id, run.cool_down, run.judge.keys, like)


def make_tell(run: Run) -> TellSink | None:
    """What sends messages of episodes to the receivers; None where there are none."""
    command, resumption, stop = run.command, run.resumption, run.stop
    if not command.receivers:
        return None
    options = run.options
    done = None
    if resumption is not None:
        path = resumption.path
        done = Journal(path.with_name(f"{path.name}.told"), goes_on=resumption.is_resumed)
    outboxes = [Outbox(name, receiver, say, done) for name, receiver in command.receivers]

    def is_paused() -> bool:
        return options.checkpoint is not None and stop.requested

    page = options.base_url or ""
    return TellSink(new_life(run), run.source_id, outboxes, is_paused, lambda: stop.deadline, run.incidents, page)


def opened(what: str, path: Path | None, open_sink: Callable[[Path], Sink]) -> list[Sink]:
    """The sink, if it is wanted and can be opened."""
    if path is None:
        return []
    try:
        return [open_sink(path)]
    except OSError as error:
        say(f"no {what}, the run goes on without it: {path}: {error.strerror or error}")
        return []

"""One run: its parts are made, the stream is judged while the user watches, and it is summed up."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING

from streamforest.connections.addresses import without_passwords
from streamforest.optional import MissingPackageError
from streamforest.orphans import reap_as_first_process
from streamforest.program import assembly, continuation, interaction
from streamforest.program.complaint import complain
from streamforest.program.description import Command, Run
from streamforest.program.explanation import explanation
from streamforest.program.loop import Loop
from streamforest.program.memory import MEGABYTE, limit_memory, reserve_for_pictures
from streamforest.program.serving import make_api
from streamforest.program.summary.writer import make_summary
from streamforest.protocols import DetectorError, ReaderGoneError, Sink, SourceError
from streamforest.storage.checkpoint import CheckpointError
from streamforest.storage.resumption import DifferentRunError
from streamforest.stream_names import StreamNames
from streamforest.terminal.console import is_attended, is_terminal, leave, say, wait_for_readers
from streamforest.terminal.signals import on_quit, on_stop_signals
from streamforest.terminal.stop import StopFlag
from streamforest.verdicts.counts import RunCounts
from streamforest.verdicts.episodes import CoolDown
from streamforest.verdicts.honesty import HonestyCounts
from streamforest.verdicts.life import EpisodeCounts
from streamforest.views import ViewError

if TYPE_CHECKING:
    from streamforest.program.watch import Watch
    from streamforest.views import Choice

DONE, FAILED, WRONG_USE = 0, 1, 2
#: Seconds that a live run waits for a reader of standard output who takes nothing.
OUTPUT_PATIENCE = 3.0


def run(command: Command, judge_all: Callable[[Loop], None]) -> int:
    """Build the parts, watch the stream until the run ends, and sum it up; returns the exit code."""
    options = command.options
    if options.memory_limit is not None and not limit_memory(options.memory_limit * MEGABYTE):
        say(f"this system limits no memory: --memory-limit {options.memory_limit} only limits streams")
    stop, watch = StopFlag(), None
    try:
        if options.explain:
            return explained(options, stop)
        interaction.offer_models(command)
        made = make_run(command, stop)
        options = made.options
        leave_out_pictures(options)
        choice = interaction.choose_view(options)
        api = make_api(made)
        sinks = assembly.make_sinks(made, is_shown=choice.view != "none")
        if choice.view != "none" or interaction.is_interactive(options):
            watch, needed = interaction.make_watch(made)
            sinks = [*needed, *([] if api is None else [api.served]), *sinks]
        summary, summed_up = make_summary(made, watch)
        first: list[Sink] = [] if made.comparison is None else [made.comparison]
        in_front: list[Sink] = [sink for sink in (made.incidents, made.seen) if sink is not None]
        without_times = assembly.line_without_times(options)
        loop = Loop(made, [*first, *in_front, *summed_up, *sinks], without_times=without_times, notify=say)
        continuation.resume(made, [*in_front, *summed_up, *sinks])
    except (SourceError, DetectorError, MissingPackageError, CheckpointError) as error:
        give_back(stop, watch)
        complain(command.program, error)
        return WRONG_USE if isinstance(error, DifferentRunError) else FAILED
    if is_terminal(sys.stderr):  # before the view is there, which shows what is said from then on
        say(f"watching {made.source.name} with {made.judge.name}")
        say(interaction.key_line(watch, options))
    try:
        if watch is not None:
            interaction.open_view(choice, watch, made, api)
    except ViewError as error:
        give_back(stop, watch)
        complain(command.program, error)
        return FAILED
    on_stop_signals(stop.hear)
    on_quit()
    reap_as_first_process()
    stop.end_in_time(lambda: "" if made.resumption is None else made.resumption.unwritten)
    wait_for_readers(stop, OUTPUT_PATIENCE if made.source.live else None)
    interaction.listen_to_keys(watch, options)
    judge = partial(judge_all, loop)

    if watch is None:
        code = sum_up(made, judge, summary)
        on_stop_signals(signal.SIG_IGN)  # the run is over: another Ctrl+C has nothing to end
    else:
        code = run_watched(made, judge, summary, watch, choice)
    stop.close()
    return code


def leave_out_pictures(options: SimpleNamespace) -> None:
    """Ask for no picture if a limit leaves no memory for it; raises MemoryError if the source needs the page."""
    if (options.visualization or options.summary is not None) and not reserve_for_pictures():
        if options.source == "serve":
            raise MemoryError
        options.visualization, options.summary = False, None
        say("the limit on memory leaves too little for pictures: there is neither a view nor a summary")


def give_back(stop: StopFlag, watch: Watch | None) -> None:
    """Release what a run that does not begin has taken."""
    stop.close()
    if watch is not None:
        watch.close()


def make_run(command: Command, stop: StopFlag) -> Run:
    """The parts of a run that judge and count; the source stands where an earlier run left off.

    Raises
    ------
    SourceError, DetectorError, MissingPackageError, CheckpointError
        One of them cannot be made; the message is for the user.
    """
    options = command.options
    resumption = continuation.make_resumption(options)
    source = assembly.make_source(options)
    if resumption is not None:
        resumption.add_source(source)
    command = with_taken_rules(command, without_passwords(source.name))
    options = command.options
    judge, comparison = assembly.make_judge(options, source)
    counts = RunCounts(options.alarm_rate, alarms_a_day=options.alarms_a_day, names=judge.keys)
    cool_down = CoolDown(options.cool_down)
    episodes = EpisodeCounts(cool_down, judge.keys)
    run = Run(command, source, judge, counts, stop, comparison, resumption, episodes, cool_down=cool_down)
    honesty = HonestyCounts(options.alarm_rate, options.alarms_a_day)
    run = replace(run, honesty=honesty, incidents=assembly.make_incidents(options, run.source_id, judge.keys))
    run = replace(run, seen=assembly.make_seen(run))
    return replace(run, tell=assembly.make_tell(run))


def with_taken_rules(command: Command, stream: str) -> Command:
    """The command with the rules that were taken for a stream in earlier runs, which are reported.

    Raises
    ------
    DetectorError
        Their file cannot be used; the message is for the user.
    """
    options = command.options
    if options.verdicts is None:
        return command
    from streamforest.program.opinions import Opinions, with_rules, words_of  # noqa: PLC0415 - seldom needed
    from streamforest.storage.verdict_file import VerdictFile  # noqa: PLC0415

    asked = assembly.settings_of(options)
    try:
        entries = Opinions(stream, VerdictFile(options.verdicts)).entries()
        settings = with_rules(asked, entries)
    except (OSError, ValueError) as error:
        raise DetectorError(
            f"VERDICTS is {str(options.verdicts)!r}: {getattr(error, 'strerror', None) or error}"
        ) from None
    if settings == asked:
        return command
    rules = [words_of(entry["rule"]) for entry in entries if "rule" in entry]
    say(f"rules of {options.verdicts} that hold: {', '.join(rules)}; delete their lines to drop them")
    return command._replace(options=assembly.with_settings(options, settings), asked=options)


def explained(options: SimpleNamespace, stop: StopFlag) -> int:
    """Print how a source is understood, and its first readings; returns the exit code."""
    source = assembly.make_source(options)
    names = None if options.key_column is None else StreamNames()
    try:
        lines = explanation(source, stop, options, names)
    finally:
        source.close()
        stop.close()
    print("\n".join(lines))
    return DONE


def run_watched(
    made: Run, judge: Callable[[], None], summary: Callable[[str], None], watch: Watch, choice: Choice
) -> int:
    """Judge in a worker thread while the user watches; returns the exit code."""

    def go_on() -> None:
        watch.lose_display()
        leave(end_with(watch, sum_up(made, watch.rest, summary)))

    if choice.view == "window":
        from streamforest.views.window import before_exit  # noqa: PLC0415 - matplotlib

        before_exit(go_on)
    try:
        code = sum_up(made, partial(watch.during, judge), summary)
        if is_attended():
            watch.after()
    except BaseException:
        watch.close()  # or what is said of it would be written to a screen that nobody can read
        raise
    return end_with(watch, code)


def sum_up(made: Run, judge: Callable[[], None], summary: Callable[[str], None]) -> int:
    """Judge the stream to its end and say what there was to see; returns the exit code."""
    fault = ""
    try:
        judge()
    except ReaderGoneError:
        summary(fault)
        return DONE  # nobody is left to read more
    except SourceError as error:
        fault = str(error)
        complain(made.command.program, fault)
    except MemoryError:
        fault = "there is not enough memory to go on; see --memory-limit and --most-streams"
        say(f"{made.command.program}: {fault}")
    for line in made.summary().splitlines():
        say(line)
    summary(fault)
    return FAILED if fault else DONE


def end_with(watch: Watch, code: int) -> int:
    """Give terminal and screen back; returns the exit code."""
    on_stop_signals(signal.SIG_IGN)  # the run is over: another Ctrl+C has nothing to end
    watch.close()
    return code

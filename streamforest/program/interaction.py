"""What keeps the user in touch with a run, as its options ask for it: view, keys, pictures."""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stdout
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from streamforest.connections.addresses import without_passwords
from streamforest.program.serving import is_served
from streamforest.protocols import SourceError
from streamforest.sinks.report import RecentReport
from streamforest.terminal.console import is_attended, is_file, is_terminal, say
from streamforest.terminal.screen import why_not
from streamforest.text import escaped
from streamforest.verdicts.life import EpisodeIds
from streamforest.views import Choice, ViewError, choose, make_view
from streamforest.views.access import PageAccess
from streamforest.views.system_theme import system_theme

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamforest.program.cases import Cases
    from streamforest.program.description import Command, Run
    from streamforest.program.watch import Watch
    from streamforest.protocols import Sink, VerdictMemory
    from streamforest.verdicts.history import History
    from streamforest.views.api import Api


def choose_view(options: SimpleNamespace) -> Choice:
    """Where the picture will be; says so, and why. Raises SourceError where readings cannot be posted to it."""
    wanted = options.view if options.visualization else "none"
    if is_served(options):
        wanted = "browser"  # its server takes the readings
    choice = choose(wanted, is_attended(), os.environ, drawable=is_drawable(options))
    if is_served(options) and choice.view != wanted:
        raise SourceError(choice.why)
    if choice.why:
        say(choice.why)
    return choice


def offer_models(command: Command) -> None:
    """Offer to train the models that are not there, if somebody is there to answer.

    Without an answer, or with another one than yes, nothing is done: who needs the model says how it is made.
    """
    options = command.options
    if options.source == "-" or not is_attended():
        return
    from streamforest.program.train import MODELS, train_and_save  # noqa: PLC0415 - seldom needed

    for name in options.compare or (options.detector,):
        path = getattr(options, MODELS[name].lower()) if name in MODELS else None
        if path is None or path.exists():
            continue
        if is_answered_yes(f"There is no model at {path}, which {name} needs. Train one now?"):
            wanted = {"detector": name, "train_on": None, "model": path}
            with redirect_stdout(sys.stderr):  # standard output is for verdicts
                train_and_save(SimpleNamespace(**vars(options) | wanted), command.program)


def is_answered_yes(question: str) -> bool:
    """Ask at the terminal; an empty answer is no: training takes a while."""
    sys.stderr.write(f"{escaped(question)} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def is_drawable(options: SimpleNamespace) -> bool:
    """Whether the terminal is free for a picture: it can show one, and its lines are not what was asked for."""
    if options.source == "-" or why_not(os.environ):
        return False
    return is_file(sys.stdout) or (is_terminal(sys.stdout) and options.format == "auto")


def has_keys(options: SimpleNamespace) -> bool:
    """Whether keys can be typed in the terminal: there is one, and what is typed there is not what is watched."""
    return options.source != "-" and is_terminal(sys.stdin)


def is_interactive(options: SimpleNamespace) -> bool:
    """Whether anything may be asked of the run while it goes on, a view apart."""
    return (
        has_keys(options) or options.global_hotkey or options.snapshot_on_anomaly or options.case_on_anomaly is not None
    )


def make_watch(run: Run) -> tuple[Watch, list[Sink]]:
    """What keeps the user in touch, with the sinks that it needs."""
    from streamforest.program.panels import Panels  # noqa: PLC0415
    from streamforest.program.watch import Output, Watch  # noqa: PLC0415
    from streamforest.sinks.episode_end import EpisodeEndSink  # noqa: PLC0415
    from streamforest.terminal.actions import Actions  # noqa: PLC0415 - only where somebody watches

    options = run.options
    actions, anomalies = (
        Actions(),
        RecentReport(comparison=run.comparison, names=run.judge.keys, ids=EpisodeIds(run.source_id, run.judge.keys)),
    )
    memory = new_memory(run)
    run.judge.recall(memory.newest)
    output = Output(options.images, theme_of(options), picture_texts(options), options.report, Path())
    watch = Watch(memory, anomalies, run.status, actions, run.stop, run.judge, output, say)
    needed: list[Sink] = [memory, anomalies, *(sink for sink in (run.episodes, run.honesty) if sink is not None)]
    watch.incidents = run.incidents
    if run.judge.keys is None:
        panels = Panels(run, cast("History", memory), say, actions.wake)
        watch.open_panel = panels.open
        watch.cases = make_cases(run, watch, panels.options)
    if options.snapshot_on_anomaly:
        needed.append(EpisodeEndSink(watch.end_episode, run.cool_down))
    if watch.cases is not None and options.case_on_anomaly is not None:
        needed.append(EpisodeEndSink(watch.cases.end_episode, run.cool_down))
    return watch, needed


def theme_of(options: SimpleNamespace) -> str:
    """Colours of pictures, "light" or "dark": those that the system has, where that is asked for."""
    return system_theme(os.environ) if options.theme == "auto" else str(options.theme)


def make_cases(run: Run, watch: Watch, options: Callable[[], SimpleNamespace]) -> Cases | None:
    """What makes case files of a run of one stream; None where there are windows in which nothing is learned.

    ``options`` gives the run's options with the settings that hold now.
    """
    from streamforest.program.cases import Cases  # noqa: PLC0415 - see make_watch
    from streamforest.program.judges import OneStreamJudge  # noqa: PLC0415
    from streamforest.program.state_copies import StateCopies  # noqa: PLC0415
    from streamforest.verdicts.history import History  # noqa: PLC0415

    if not isinstance(run.judge, OneStreamJudge) or not isinstance(watch.memory, History):
        return None
    copies = StateCopies()
    run.judge.keep_copies(copies)
    return Cases(run, watch.memory, copies, options, watch.picture, say)


def new_memory(run: Run) -> VerdictMemory:
    """What keeps the points that are drawn: of one stream or of many."""
    from streamforest.program.foresight import Foresight  # noqa: PLC0415 - see make_watch
    from streamforest.program.judges import OneStreamJudge  # noqa: PLC0415
    from streamforest.verdicts.history import History  # noqa: PLC0415
    from streamforest.verdicts.ranking import StreamRanking  # noqa: PLC0415

    if run.judge.keys is not None:
        return StreamRanking(run.judge.keys, run.options.cool_down)
    history = History(run.options.history)
    history.seen = run.seen
    history.marks = None if run.comparison is None else run.comparison.marks
    if isinstance(run.judge, OneStreamJudge):
        history.ahead = Foresight(run.judge.ahead)
    return history


def picture_texts(options: SimpleNamespace) -> dict[str, str]:
    """What every saved picture tells of the run: source, seed, settings, versions."""
    from streamforest.program.repeat import shown_settings, versions  # noqa: PLC0415 - see make_watch

    texts = {
        "Source": without_passwords(options.source),
        "Seed": str(options.seed) if options.source.partition(":")[0] == "simulated" else "none",
        "Settings": ", ".join(f"{name}={value}" for name, value in shown_settings(vars(options)).items()),
        "Versions": versions(),
    }
    return {name: escaped(text) for name, text in texts.items()}


def open_view(choice: Choice, watch: Watch, run: Run, api: Api | None = None) -> None:
    """Open the view that was chosen; where that fails the run goes on without one.

    Raises
    ------
    ViewError
        It fails, and programs were to use it too.
    """
    options = run.options
    try:
        view = make_view(
            choice,
            watch,
            theme=watch.output.theme if choice.view != "browser" or options.theme != "auto" else "light",
            notify=say,
            access=page_access(options),
            cool_down=run.cool_down,
            api=api,
        )
    except ViewError as error:
        if api is not None:
            raise
        say(f"view: none; {error}")
        return
    if view is not None:
        watch.show(view, stays=api is not None)


def page_access(options: SimpleNamespace) -> PageAccess:
    """How visitors reach the page, as the options ask for it."""
    return PageAccess(
        options.port,
        options.public,
        options.most_visitors,
        options.base_url or "",
        None if options.tls_cert is None else (options.tls_cert, options.tls_key),
        options.token_file,
        is_private=not is_file(sys.stderr),
    )


def listen_to_keys(watch: Watch | None, options: SimpleNamespace) -> None:
    """Listen to the terminal's keys, and to all keys where that is wished for."""
    from streamforest.terminal.keys import listen, listen_everywhere  # noqa: PLC0415 - see make_watch

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
    return "q picture, r report, d next detector, Ctrl+C end"

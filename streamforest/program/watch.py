"""What a user sees of a run and does to it: the picture, the keys, and carrying out what is asked for."""

from __future__ import annotations

import io
import sys
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from streamforest.judging.advice import Advice
from streamforest.judging.what_if import WhatIf
from streamforest.program.cases import CaseRefusedError, Cases
from streamforest.program.detect_limits_panel import LimitsPanel
from streamforest.protocols import Status, VerdictMemory, View
from streamforest.sinks.report import RecentReport
from streamforest.storage import safe_files
from streamforest.terminal.actions import DETECTOR, OPENING, PANEL_COMMANDS, SWITCHING, VIEW_COMMANDS, Actions
from streamforest.terminal.keys import FOREGROUND_CHECK, TerminalKeys
from streamforest.terminal.stop import StopFlag
from streamforest.verdicts.incidents import Incidents
from streamforest.views.headless import HeadlessView

MOST_EPISODES = 100  # that wait for their picture; a replay may end them faster than pictures can be drawn
#: Pictures of episodes that a run saves, and bytes: what is on a stream must not fill the disk.
MOST_PICTURES, MOST_PICTURE_BYTES = 1000, 10**9
NO_CASES = "no case: they are of one stream that is judged without --ignore"
FRAME = 1 / 30  # seconds between two looks at keys and actions, where there is a picture
WAIT = 0.05 if sys.platform == "win32" else FOREGROUND_CHECK  # where there is none; Windows' console cannot wake us
#: What actions mean while a panel of choices is open.
IN_PANEL = {
    **{name: name for name in ("up", "down", "back", "forward", "take")},
    "unwatch": "leave",
}

#: An action, first and last point in view, and the selected one -> the panel that it opens, if it opens one.
OpenPanel = Callable[[str, tuple[int, int, int | None]], "WhatIf | Advice | LimitsPanel | None"]


def _no_panel(_name: str, _seen: object) -> None:
    raise ValueError("that is for one stream: of each of many only the newest points are kept")


@dataclass(frozen=True)
class Output:
    """Where pictures and reports go, and what they look like.

    Attributes
    ----------
    images : Path
        Folder of the pictures.
    theme : str
        Colours of a picture.
    metadata : mapping of str to str
        What every picture tells of the run.
    report : Path or None
        The report that the run writes by itself.
    reports : Path
        Folder of a report that is asked for where the run writes none.
    """

    images: Path
    theme: str
    metadata: Mapping[str, str]
    report: Path | None
    reports: Path


class Switchable(Protocol):
    """What judges, and can be changed while it does."""

    def switch(self, name: str) -> None:
        """Let another detector judge; raises ValueError where it cannot."""
        ...

    def switch_to_next(self) -> None:
        """Let the next detector judge; raises ValueError where it cannot."""
        ...


class Watch:
    """Keeps the user and a run in touch; the run is in a worker thread, all else in the main thread.

    Parameters
    ----------
    memory : VerdictMemory
        A sink of the run, and what is drawn.
    anomalies : RecentReport
        Another sink.
    status : callable
        Gives the run's Status.
    actions : Actions
        What the user asks for.
    stop : StopFlag
        Ends the run.
    judge : Switchable
        The run's detector.
    output : Output
        Where pictures and reports go.
    say : callable
        Takes a line for people.
    """

    def __init__(
        self,
        memory: VerdictMemory,
        anomalies: RecentReport,
        status: Callable[[], Status],
        actions: Actions,
        stop: StopFlag,
        judge: Switchable,
        output: Output,
        say: Callable[[str], None],
    ) -> None:
        self.memory, self._status, self.actions, self.output = memory, status, actions, output
        self._anomalies, self._stop, self._judge, self._say = anomalies, stop, judge, say
        self._keys: TerminalKeys | None = None
        self._view: View = HeadlessView(actions)
        self._has_picture = self._stays = False
        self._judging: Future[None] = Future()
        self._episodes: deque[int] = deque()  # peaks of those that still want a picture
        self._left_out = 0  # of them
        self._panel: WhatIf | Advice | LimitsPanel | None = None
        self._opened_by = ""  # the action
        #: Opens panels; raises ValueError or OSError, with a line for people, where that cannot be done.
        self.open_panel: OpenPanel = _no_panel
        self.cases: Cases | None = None  # makes case files, where there can be some
        self.incidents: Incidents | None = None  # of many streams
        self._pictures, self._picture_bytes, self._refused = 0, 0, 0  # of episodes

    def status(self) -> Status:
        """How the run stands; that it has ended too."""
        return self._status()._replace(has_ended=self._judging.done())

    def show(self, view: View, *, stays: bool = False) -> None:
        """Let the user see the stream in a view; it is closed with this object, if it ``stays`` not before."""
        self._view, self._has_picture, self._stays = view, True, stays

    def hear(self, keys: TerminalKeys | None) -> None:
        """Let the user type keys; they are given back with this object."""
        self._keys = keys
        if not self._has_picture:
            self._show_nothing()

    def during(self, judge: Callable[[], None]) -> None:
        """Judge in a worker thread and serve the user meanwhile; raises what ``judge`` raises."""
        with ThreadPoolExecutor(1, "judge") as pool:
            self._judging = judging = pool.submit(judge)
            judging.add_done_callback(lambda _: self.actions.wake())
            try:
                self.rest()
            except BaseException:
                self._stop.request()  # or the program would wait for an endless stream
                raise

    def rest(self) -> None:
        """Serve the user until all is judged; raises what judging raised."""
        self._serve(lambda: self._judging.done() and not (self._is_behind and not self._stop.requested))
        self._carry_out_all()  # asked for by the last points
        if self._refused:
            self._say(f"{self._refused:,} episodes have no picture: there were as many as a run saves")
        left_out = self._left_out + len(self._episodes)
        if left_out:
            self._say(f"{left_out} episodes have no picture: they ended faster than pictures can be drawn")
        if self.cases is not None:
            self.cases.tell_left_out()
        self._judging.result()

    def lose_display(self) -> None:
        """Go on without the picture: the display is gone, and the view must not be touched again."""
        self._show_nothing()
        self._say("the display is gone, the run goes on without it; Ctrl+C ends it")

    def after(self) -> None:
        """Leave a picture on the screen when the stream has ended by itself, until the user closes it."""
        if self._has_picture and not self._stop.requested:
            self._say("the stream has ended; Esc or Ctrl+C in the terminal ends the program")
            self._serve(lambda: self._stop.requested or not self._has_picture)

    def close(self) -> None:
        """Give back terminal and screen; actions that are asked for afterwards do nothing."""
        if self._keys is not None:
            self._keys.close()
        self._view.close()
        self.actions.close()

    def snapshot(self) -> Path:
        """Save a picture of what is seen, or of the newest points where nothing is; returns its path.

        Raises
        ------
        OSError
            It cannot be written.
        """
        return self._save()

    def end_episode(self, peak: int) -> None:
        """Have a picture saved of an episode, by the stream index of its peak; may be called from any thread."""
        self._episodes.append(peak)
        if len(self._episodes) > MOST_EPISODES:
            self._episodes.popleft()
            self._left_out += 1
        self.actions.wake()

    def case(self, index: int) -> bytes:
        """The case file of the episode at a stream index, or the newest one before; raises OSError without one."""
        if self.cases is None:
            raise OSError(NO_CASES)
        try:
            return self.cases.make(index)
        except CaseRefusedError as error:
            raise OSError(str(error)) from None

    def picture(self, index: int) -> bytes:
        """A picture of the points around a stream index, as PNG, drawn off screen."""
        from streamforest.figures.choice import figure_of  # noqa: PLC0415 - see _save

        shown = figure_of(self.memory, self.status, theme=self.output.theme)
        shown.refresh()
        shown.show(index)
        drawn, file = shown.picture().figure, io.BytesIO()
        drawn.savefig(
            file, format="png", dpi="figure", facecolor=drawn.get_facecolor(), metadata={**self.output.metadata}
        )
        return file.getvalue()

    @property
    def _is_behind(self) -> bool:
        """Whether episodes wait for their picture or case."""
        return bool(self._episodes or (self.cases is not None and self.cases.waiting))

    def report(self) -> bytes:
        """The anomalous points so far, the newest 10,000 of them, as a CSV file."""
        return self._anomalies.csv()

    def _serve(self, is_over: Callable[[], bool]) -> None:
        while not is_over():
            if self._stop.requested:
                self.actions.wait(FRAME)  # another frame would only delay the end
                continue
            self._view.poll(FRAME if self._has_picture else WAIT)
            if self._keys is not None:
                self._keys.poll()
            self._carry_out_all()
            if self._episodes:
                self._picture_an_episode()  # one at a time: keys are heard in between
            if self.cases is not None and self.cases.is_due(is_over=self._judging.done()):
                self.cases.save_next()
            if self._has_picture and not self._view.is_open:
                self._stop_watching()

    def _carry_out_all(self) -> None:
        for name in self.actions.take():
            if self._stop.requested and name != "snapshot":
                continue  # what takes long must not delay the end; the last picture is one
            self._carry_out(name)

    def _carry_out(self, name: str) -> None:
        if self._heed_panel(name):
            return
        if name == "snapshot":
            self._try_to_save()
            self.actions.ignore_repeats()
        elif name == "case":
            self._save_case()
        elif name == "report":
            self._write_report()
        elif name == "stop":
            self._stop.request()
        elif name == "next-detector" or name.startswith(DETECTOR):
            self._switch_to(name)
        elif name in PANEL_COMMANDS:
            self._open_panel(name)
        elif name in VIEW_COMMANDS:
            self._view.command(name)
        elif box := getattr(getattr(self._view, "figure", self._view), "box", ""):  # "unwatch"
            self._view.command(box)  # what lies over the picture goes first
        elif self._has_picture and not self._stays:
            self._stop_watching()

    def choices(self) -> WhatIf | Advice | LimitsPanel | None:
        """What stands behind the panel that is open; None where none is."""
        return self._panel

    def _open_panel(self, name: str) -> None:
        """Open the panel that a key is for; those that only an open one heeds do nothing."""
        if name not in OPENING or not self._has_picture:
            return
        try:
            opened = self.open_panel(name, self._seen())
        except (ValueError, OSError) as error:
            self._say(getattr(error, "strerror", None) or str(error))
            return
        if opened is not None:
            self._heed_panel("unwatch")
            self._panel, self._opened_by = opened, name

    def _seen(self) -> tuple[int, int, int | None]:
        """Stream indices of the first and last point in view, and of the selected one."""
        navigation = getattr(getattr(self._view, "figure", self._view), "navigation", None)
        if navigation is None:
            return self.memory.first, self.memory.end - 1, None
        return navigation.view.left, navigation.view.right - 1, navigation.selected

    def _heed_panel(self, name: str) -> bool:
        """Let the open panel have an action; whether it was one for it."""
        if name in SWITCHING and name == self._opened_by:
            name = "unwatch"
        if self._panel is None or name not in IN_PANEL:
            return False
        if not self._panel.command(IN_PANEL[name]):
            self._panel = None
        return True

    def _show_nothing(self) -> None:
        self._has_picture = False
        self._view = HeadlessView(self.actions, self._keys.descriptors if self._keys is not None else tuple)

    def _stop_watching(self) -> None:
        self._heed_panel("unwatch")
        self._view.close()
        self._show_nothing()
        self._say("the picture is closed, the run goes on; Ctrl+C ends it")

    def _switch_to(self, action: str) -> None:
        try:
            if action == "next-detector":
                self._judge.switch_to_next()
            else:
                self._judge.switch(action.removeprefix(DETECTOR))
        except ValueError as error:
            self._say(str(error))

    def _try_to_save(self, peak: int | None = None) -> Path | None:
        try:
            return self._save(peak)
        except OSError as error:
            self._say(str(error))
        except MemoryError:
            self._say("no picture: there is not enough memory for it")
        except ModuleNotFoundError as error:
            self._say(f"no picture: {error.name} is not installed; run 'python -m pip install -r requirements.txt'")
        return None

    def _save(self, peak: int | None = None) -> Path:
        from streamforest.figures.choice import figure_of  # noqa: PLC0415 - a second, for the first picture only
        from streamforest.figures.snapshot import save_snapshot  # noqa: PLC0415
        from streamforest.figures.stream_figure import StreamFigure  # noqa: PLC0415

        shown = getattr(self._view, "figure", None)
        if peak is not None or shown is None:
            shown = figure_of(self.memory, self.status, theme=self.output.theme)
            seen = getattr(self._view, "navigation", None)
            if peak is None and seen is not None and isinstance(shown, StreamFigure):
                shown.navigation = seen.twin()
            shown.refresh()
        if peak is not None and not shown.show(peak):
            raise OSError(f"no picture of the episode at point {peak:,}: it is not kept any more")
        path = save_snapshot(shown, self.output.images, datetime.now(), self.output.metadata)
        self._say(f"picture saved: {path}")
        return path

    def _picture_an_episode(self) -> None:
        peak = self._episodes.popleft()
        if self._pictures >= MOST_PICTURES or self._picture_bytes >= MOST_PICTURE_BYTES:
            if not self._refused:
                limits = f"{MOST_PICTURES:,} pictures and {MOST_PICTURE_BYTES // 10**6:,} MB"
                self._say(f"no more pictures of episodes: a run saves up to {limits} of them")
            self._refused += 1
            return
        if peak < self.memory.first:
            self._left_out += 1  # not kept any more
            return
        path = self._try_to_save(peak)
        if path is not None:
            self._pictures += 1
            with suppress(OSError):
                self._picture_bytes += path.stat().st_size

    def _save_case(self) -> None:
        """Write the case of the episode whose point is chosen, else of the newest one in view."""
        if self.cases is None:
            self._say(NO_CASES)
            return
        try:
            self._say(f"case written: {self.cases.save(self._looked_at())}")
        except CaseRefusedError as error:
            self._say(str(error))
        except MemoryError:
            self._say("no case: there is not enough memory for it")

    def _looked_at(self) -> int:
        """Stream index of the chosen point, else of the last one in view."""
        shown = getattr(self._view, "figure", self._view)
        navigation = getattr(shown, "navigation", None)
        if navigation is None or not navigation.paused:
            return self.memory.end - 1
        return int(navigation.view.right - 1 if navigation.selected is None else navigation.selected)

    def _write_report(self) -> None:
        if self.output.report is not None:
            self._say(f"the report is written while the run goes on: {self.output.report}")
            return
        try:
            self._say(f"report written: {write_new(self.output.reports, datetime.now(), self.report())}")
        except OSError as error:
            self._say(f"no report: {self.output.reports}: {error.strerror or error}")
        except MemoryError:
            self._say("no report: there is not enough memory for it")


def write_new(folder: Path, now: datetime, content: bytes) -> Path:
    """Write a report under a name by the time, with -2, -3 ... where it is taken; returns its path."""
    return safe_files.write_new(folder / f"report-{now:%Y-%m-%d-%H-%M-%S}.csv", content)

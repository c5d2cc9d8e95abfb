"""The picture in a window of its own, by Tk or Qt."""

from __future__ import annotations

import ctypes
import importlib
import sys
import time
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
from matplotlib.backend_bases import Event, KeyEvent

from streamforest.figures.choice import figure_of
from streamforest.terminal.keys import action_of
from streamforest.views.watched import Watched

#: Toolkit -> module and class of matplotlib's canvas for it.
CANVASES = {
    "Tk": ("matplotlib.backends.backend_tkagg", "FigureCanvasTkAgg"),
    "Qt": ("matplotlib.backends.backend_qtagg", "FigureCanvasQTAgg"),
}

#: Share of the screen's width and height that the window may take: borders and bars want the rest.
LARGEST = (1.0, 0.92)
FRAME = 1 / 30  # seconds between two frames, at least
SHARE = 0.4  # of the time may go into drawing: where it is slow, frames are fewer
#: What to press, for those who see it for the first time, and for how many seconds.
FIRST_KEYS = "q picture   space pause   + - zoom   , . from alarm to alarm   e episodes   w what if   h all keys"
FIRST_KEYS_SECONDS = 10.0
SHORTEST_WAIT = 0.001  # seconds; a toolkit takes 0 for "until stopped"

MOST_SHORT_WAITS = 20  # in a row, all of them ended by nothing
_CALLBACKS: list[object] = []


class WindowView:
    """A window that shows the stream; all methods belong to the main thread.

    Parameters
    ----------
    watched : Watched
        What is shown, and what keys can ask for.
    theme : str
        Colours: "light" or "dark".
    toolkit : str
        "Tk" or "Qt".
    title : str
        Of the window.
    clock : callable
        Seconds that only go forward.

    Raises
    ------
    ImportError
        The toolkit is not installed, or there is no display.
    """

    def __init__(
        self,
        watched: Watched,
        *,
        theme: str,
        toolkit: str = "Tk",
        title: str = "Stream",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = f"window ({toolkit})"
        self.is_open = True
        self.figure = figure_of(watched.memory, watched.status, theme=theme)
        self.figure.choices = getattr(watched, "choices", self.figure.choices)
        self._actions = watched.actions
        self._clock = clock
        self._due = clock()
        self._short_waits = 0  # in a row
        self._toolkit_error = _error_of(toolkit)
        module, canvas = CANVASES[toolkit]
        with mpl.rc_context({"toolbar": "None"}):  # its buttons move and zoom what moves by itself
            manager: Any = getattr(importlib.import_module(module), canvas).new_manager(self.figure.figure, 1)
        self._manager = manager
        self._canvas = manager.canvas
        if manager.key_press_handler_id is not None:  # matplotlib's own keys: q would close the window
            self._canvas.mpl_disconnect(manager.key_press_handler_id)
        self._canvas.mpl_connect("key_press_event", self._on_key)
        self.figure.follow_mouse()
        self.figure.shows_notices = True
        self.figure.tell(FIRST_KEYS, FIRST_KEYS_SECONDS)
        self._canvas.mpl_connect("close_event", self._on_close)
        manager.set_window_title(title)
        manager.show()
        screen = SCREENS.get(toolkit)
        if screen is not None:
            self._canvas.flush_events()  # how many of its pixels make one of ours is fixed once it is shown
            _fit(manager, *screen(manager))
        self.poll(FRAME)  # the first frame takes long: better now than while points wait

    def poll(self, seconds: float) -> None:
        """Handle events and draw for about so long, less if an action is asked for."""
        try:
            self._draw_if_due()
            if self.is_open and not self._actions.is_waiting:
                self._handle_events(max(SHORTEST_WAIT, min(seconds, self._due - self._clock())))
        except self._toolkit_error:
            self.is_open = False  # a window that is being closed

    def _handle_events(self, seconds: float) -> None:
        """Let the toolkit work for so long; notice that it does not wait any more: Qt has lost its display then."""
        begun = self._clock()
        self._canvas.start_event_loop(seconds)
        is_short = self._clock() - begun < seconds / 2 and not self._actions.is_waiting
        self._short_waits = self._short_waits + 1 if is_short and seconds > 2 * SHORTEST_WAIT else 0
        if self._short_waits >= MOST_SHORT_WAITS:
            self.is_open = False

    def command(self, name: str) -> None:
        """Change the picture; by one of ``figures.navigation.COMMANDS``."""
        self.figure.command(name)
        self._due = self._clock()

    def close(self) -> None:
        """Close the window, if it is still open."""
        if self.is_open:
            self.is_open = False
            self._manager.destroy()

    def _draw_if_due(self) -> None:
        begun = self._clock()
        if begun < self._due:
            return
        self.figure.refresh()
        self._due = begun + max(FRAME, (self._clock() - begun) / SHARE)

    def _on_key(self, event: Event) -> None:
        assert isinstance(event, KeyEvent)
        action = "stop" if event.key == "ctrl+c" else action_of(event.key)
        if action is not None:
            self._actions.ask(action)
            if action == "next-detector":  # to make it may take a while
                self.figure.tell("the next detector is being made ready")
            self._canvas.stop_event_loop()

    def _on_close(self, _event: Event) -> None:
        self.is_open = False
        self._canvas.stop_event_loop()


def _tk_screen(manager: Any) -> tuple[float, float]:
    return float(manager.window.winfo_screenwidth()), float(manager.window.winfo_screenheight())


def _qt_screen(manager: Any) -> tuple[float, float]:
    ratio = manager.canvas.device_pixel_ratio
    area = manager.window.screen().availableGeometry()
    return area.width() * ratio, area.height() * ratio


#: Toolkit -> width and height of the screen that a manager's window is on, in pixels.
SCREENS: dict[str, Callable[[Any], tuple[float, float]]] = {"Tk": _tk_screen, "Qt": _qt_screen}


def _fit(manager: Any, width: float, height: float) -> None:
    """Make the window smaller where it would not fit on the screen."""
    ratio = manager.canvas.device_pixel_ratio
    wanted = [ratio * pixels for pixels in manager.canvas.get_width_height()]
    fitting = [min(pixels, size * share) for pixels, size, share in zip(wanted, (width, height), LARGEST, strict=True)]
    if fitting != wanted:
        manager.resize(*(int(pixels) for pixels in fitting))


def before_exit(act: Callable[[], None]) -> None:
    """Call a function when C's ``exit`` is, which no ``finally`` and no ``atexit`` of Python notices.

    So a toolkit ends the program whose display goes away. ``act`` is called in the main thread and must not
    return from there: it ends with ``os._exit``, and so must a program that was left to end as usual. Does
    nothing where the C library has no ``on_exit``: elsewhere than on Linux displays do not go away.
    """
    on_exit = getattr(ctypes.CDLL(None), "on_exit", None) if sys.platform == "linux" else None
    if on_exit is not None:
        callback = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_void_p)(lambda _code, _argument: act())
        _CALLBACKS.append(callback)  # C keeps nothing but its address
        on_exit(callback, None)


def _error_of(toolkit: str) -> type[Exception]:
    """What a toolkit raises when its window is gone."""
    if toolkit == "Tk":
        from tkinter import TclError  # noqa: PLC0415 - not every Python has it

        return TclError
    return RuntimeError

"""Where the picture is shown: a window, the terminal, a browser's page, or nowhere; chosen here."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from streamforest.protocols import View
from streamforest.terminal.screen import why_not
from streamforest.verdicts.episodes import CoolDown
from streamforest.views.access import PageAccess
from streamforest.views.watched import Watched

if TYPE_CHECKING:
    from streamforest.views.api import Api

PROBE_SECONDS = 20  # a toolkit that takes longer is taken for broken
#: Toolkit -> a program that opens a connection to the display; it may abort, which is why it is one of its own.
PROBES = {
    "Tk": "import tkinter, PIL.ImageTk; tkinter.Tk().destroy()",
    "Qt": "from matplotlib.backends.qt_compat import QtWidgets; app = QtWidgets.QApplication([])",
}
QT = "python -m pip install 'PySide6-Essentials<6.12'"
TK = {
    "linux": "install Tk for this Python (Debian and Ubuntu: apt install python3-tk, "
    "for other Pythons libtk8.6; Fedora: python3-tkinter)",
    "darwin": "install Tk for this Python (Homebrew: python-tk)",
    "win32": "run Python's installer again and choose tcl/tk",
}


class ViewError(Exception):
    """A view cannot be opened; the message is for the user."""


class Choice(NamedTuple):
    """Which view to open, and a line that says why; ``toolkit`` of a window."""

    view: str
    why: str
    toolkit: str = ""


def choose(
    wanted: str,
    is_attended: bool,
    environment: Mapping[str, str],
    platform: str = sys.platform,
    works: Callable[[str], bool] | None = None,
    *,
    drawable: bool = False,
) -> Choice:
    """Choose where the picture is shown.

    Parameters
    ----------
    wanted : {"auto", "window", "terminal", "browser", "none"}
        What the user wants. "auto": a window where there can be one, else the terminal where somebody is there and it
        can be drawn on, else a page where somebody is there to read its address, else none.
    is_attended : bool
        Whether somebody is at the terminal.
    environment : mapping
        Environment variables.
    platform : str
        As ``sys.platform``.
    works : callable, optional
        Whether a toolkit works, by its name; tried in a program of its own where not given.
    drawable : bool
        Whether the terminal is free to be drawn on.

    Returns
    -------
    Choice
        A view that can be opened as far as can be seen; ``why`` is empty where the user asked for no view.
    """
    if wanted == "none":
        return Choice("none", "")
    if wanted == "browser":
        return _page("browser", "as asked for")
    if wanted == "terminal":
        why = why_not(environment, platform)
        return Choice("none", f"view: none; {why}") if why else Choice("terminal", "view: the terminal; as asked for")
    if not has_display(environment, platform):
        problem = "no display (DISPLAY is not set)"
    else:
        toolkit = next((name for name in PROBES if (works or can_open)(name)), "")
        if toolkit:
            return Choice("window", f"view: a window, by {toolkit}; h in it shows its keys", toolkit)
        problem = f"no window, as neither Tk nor Qt works here; {TK.get(platform, TK['linux'])}, or run {QT}"
    if wanted == "window":
        return Choice("none", f"view: none; {problem}")
    if is_attended and drawable:
        return Choice("terminal", f"view: the terminal; {problem}; --view browser opens a page instead")
    if is_attended:
        return _page("auto", problem)
    return Choice("none", f"view: none; {problem}, and nobody is at the terminal to open a page")


def _page(wanted: str, why: str) -> Choice:
    if importlib.util.find_spec("tornado") is None:
        reason = "" if wanted == "browser" else f"{why}; "
        return Choice("none", f"view: none; {reason}a page for the browser needs 'python -m pip install tornado'")
    return Choice("browser", f"view: a page for the browser; {why}")


def has_display(environment: Mapping[str, str], platform: str = sys.platform) -> bool:
    """Whether there may be a screen to open a window on."""
    return platform in ("win32", "darwin") or bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))


def can_open(toolkit: str, seconds: float = PROBE_SECONDS) -> bool:
    """Whether a toolkit can open the display, tried in a program of its own: one that aborts takes only that along."""
    command = [sys.executable, "-c", PROBES[toolkit]]
    try:
        return (
            subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=seconds,
                check=False,
            ).returncode
            == 0
        )
    except (OSError, subprocess.SubprocessError):
        return False


def make_view(
    choice: Choice,
    watched: Watched,
    *,
    theme: str,
    notify: Callable[[str], None],
    access: PageAccess,
    cool_down: int | CoolDown,
    api: Api | None = None,
) -> View | None:
    """Open the view that was chosen; None for none. ``api``: what programs may do on the browser's page.

    Raises
    ------
    ViewError
        It cannot be opened.
    """
    if choice.view == "window":
        return _window(choice.toolkit, watched, theme)
    if choice.view == "browser":
        return _browser(watched, theme, notify, access, api)
    if choice.view == "terminal":
        return _terminal(watched, cool_down)
    return None


def _window(toolkit: str, watched: Watched, theme: str) -> View:
    try:
        from streamforest.views.window import WindowView  # noqa: PLC0415 - matplotlib, only where it is needed

        title = f"{watched.status().source} - streamforest"
        return WindowView(watched, theme=theme, toolkit=toolkit, title=title)
    except (ImportError, RuntimeError) as error:
        raise ViewError(f"no window by {toolkit}: {error}") from error


def _browser(watched: Watched, theme: str, notify: Callable[[str], None], access: PageAccess, api: Api | None) -> View:
    try:
        from streamforest.views.browser import BrowserView  # noqa: PLC0415 - tornado, only where it is needed

        return BrowserView(watched, theme=theme, notify=notify, access=access, api=api)
    except (ImportError, OSError) as error:
        raise ViewError(f"no page for the browser: {error}") from error


def _terminal(watched: Watched, cool_down: int | CoolDown) -> View:
    try:
        from streamforest.views.terminal import TerminalView  # noqa: PLC0415 - only where it is needed

        return TerminalView(watched, cool_down=cool_down)
    except OSError as error:
        raise ViewError(f"nothing can be drawn on the terminal: {error}") from error

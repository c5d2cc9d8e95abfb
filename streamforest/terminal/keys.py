"""Keys: what each asks for, those typed in the terminal, and the q that works in any program."""

from __future__ import annotations

import os
import re
import select
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Protocol

from streamforest.terminal.signals import before_abrupt_end, no_more_before_abrupt_end

#: Key, by matplotlib's name for it -> action.
KEYS = {
    "q": "snapshot",
    " ": "pause",
    "left": "back",
    "right": "forward",
    "+": "narrower",  # in time: zooms in
    "=": "narrower",
    "-": "wider",
    "g": "last-anomaly",
    ",": "previous-anomaly",
    ".": "next-anomaly",
    "e": "episodes",
    "f": "forecast",
    "i": "honesty",
    "c": "case",
    "w": "what-if",
    "t": "limits",
    "n": "nothing",
    "y": "real",
    "m": "missed",
    "u": "undo",
    "up": "up",
    "down": "down",
    "enter": "take",
    "\r": "take",
    "\n": "take",
    "d": "next-detector",
    "r": "report",
    "h": "help",
    "escape": "unwatch",
}
#: What a terminal sends for keys that are no letters.
SEQUENCES = {
    **{b"\x1b[A": "up", b"\x1bOA": "up", b"\x1b[B": "down", b"\x1bOB": "down"},
    **{b"\x1b[C": "right", b"\x1bOC": "right", b"\x1b[D": "left", b"\x1bOD": "left", b"\x1b": "escape"},
}
AFTER_PREFIX = {
    "H": "up",
    "P": "down",
    "K": "left",
    "M": "right",
}  # what a Windows console sends for keys that are no letters
_END_OF_ANSWER = re.compile(rb"\x07|\x1b\\")
FOREGROUND_CHECK = 0.5  # seconds: how soon a job that is brought to the foreground hears its keys

Ask = Callable[[str], None]
Notify = Callable[[str], None]


def action_of(key: str | None) -> str | None:
    """The action of a key by matplotlib's name, capitals and keypad included; None where it has none."""
    return None if key is None else KEYS.get(key if len(key) > 1 else key.lower())


def typed(text: bytes) -> Iterator[str]:
    """Names of the keys in what a terminal has sent, all other escape sequences left out."""
    while text:
        if text[0] != 0x1B:
            yield chr(text[0])
            text = text[1:]
            continue
        length = _sequence_length(text)
        name = SEQUENCES.get(text[:length])
        if name is not None:
            yield name
        text = text[length:]


def _sequence_length(text: bytes) -> int:
    """Bytes of the escape sequence that a text begins with: to its first letter or ~ after the introducer."""
    if text[1:2] == b"O":
        return 3
    if text[1:2] in (b"]", b"P"):  # the terminal's answer to a question, which ends with BEL or ESC and a backslash
        end = _END_OF_ANSWER.search(text)
        return len(text) if end is None else end.end()
    if text[1:2] != b"[":
        return 1
    return next((place + 1 for place in range(2, len(text)) if 0x40 <= text[place] <= 0x7E), len(text))


class TerminalKeys(Protocol):
    """Keys typed in the terminal; everything is called in the main thread."""

    def poll(self) -> None:
        """Ask for what the keys typed since the last call stand for; never waits."""
        ...

    def descriptors(self) -> tuple[int, ...]:
        """What to wait for beside all else, as far as ``select`` can."""
        ...

    def close(self) -> None:
        """Give the terminal back as it was; may be called twice."""
        ...


def listen(ask: Ask) -> TerminalKeys | None:
    """Listen to the keys of the terminal that is standard input; None where it is none."""
    try:
        if sys.stdin is None or not sys.stdin.isatty():
            return None
        descriptor = sys.stdin.fileno()
    except (OSError, ValueError):  # closed, or replaced by something that is no file
        return None
    if sys.platform == "win32":
        return WindowsKeys(ask)
    else:  # noqa: RET505 - the type checker knows by it that there is such a class here
        return PosixKeys(descriptor, ask)


if sys.platform != "win32":
    import termios
    import tty

    from streamforest.terminal.suspension import around_suspension, no_more_around_suspension

    class PosixKeys:
        """Keys of a terminal in cbreak mode: each at once, not shown; Ctrl+C and Ctrl+Z work as ever.

        The terminal belongs to whichever job is in the foreground: it is only touched while this one is, and
        is as it was before while the job is stopped.

        Parameters
        ----------
        descriptor : int
            Of the terminal.
        ask : callable
            Takes the names of actions.
        """

        def __init__(self, descriptor: int, ask: Ask) -> None:
            self._terminal = descriptor
            self._ask = ask
            self._before: list[object] | None = None  # the terminal's attributes, while they are changed
            self._is_on = True
            around_suspension(self._release, self._claim_again)
            self._claim()
            before_abrupt_end(self._release)

        def descriptors(self) -> tuple[int, ...]:
            """The terminal, while its keys are for this program."""
            return (self._terminal,) if self._before is not None and self._is_mine() else ()

        def poll(self) -> None:
            """Ask for what the keys typed since the last call stand for."""
            if not self._claim():
                return
            try:
                while select.select([self._terminal], [], [], 0)[0]:
                    text = os.read(self._terminal, 1024)
                    if not text:
                        self._is_on = False  # the terminal was closed
                        return
                    for key in typed(text):
                        action = action_of(key)
                        if action is not None:
                            self._ask(action)
            except OSError:
                self._is_on = False

        def close(self) -> None:
            """Give the terminal back as it was."""
            self._release()
            no_more_before_abrupt_end(self._release)
            no_more_around_suspension(self._release, self._claim_again)
            self._is_on = False

        def _is_mine(self) -> bool:
            """Whether this job is in the foreground: any other is stopped when it touches the terminal."""
            try:
                return self._is_on and os.tcgetpgrp(self._terminal) == os.getpgrp()
            except OSError:
                return False

        def _claim(self) -> bool:
            """Set cbreak mode where it is not set; returns whether keys can be read."""
            if not self._is_mine():
                self._before = None  # the program that has the terminal now has set it as needed
                return False
            if self._before is None:
                with suppress(termios.error):
                    before = termios.tcgetattr(self._terminal)
                    tty.setcbreak(self._terminal, termios.TCSANOW)
                    self._before = before
            return self._before is not None

        def _release(self) -> None:
            if self._before is not None and self._is_mine():
                with suppress(termios.error):
                    termios.tcsetattr(self._terminal, termios.TCSANOW, self._before)  # type: ignore[arg-type]
            self._before = None

        def _claim_again(self) -> None:
            """Take the terminal again after a stop, in which the shell has set a mode of its own."""
            if self._claim():
                with suppress(termios.error):
                    tty.setcbreak(self._terminal, termios.TCSANOW)


class WindowsKeys:
    """Keys of a Windows console.

    Parameters
    ----------
    ask : callable
        Takes the names of actions.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def descriptors(self) -> tuple[int, ...]:
        """None: a console cannot be waited for."""
        return ()

    def poll(self) -> None:
        """Ask for what the keys typed since the last call stand for."""
        if sys.platform == "win32":
            import msvcrt  # noqa: PLC0415 - there is one on Windows only

            while msvcrt.kbhit():
                key = msvcrt.getwch()
                key = AFTER_PREFIX.get(msvcrt.getwch(), "") if key in "\x00\xe0" else key
                action = action_of("escape" if key == "\x1b" else key)
                if action is not None:
                    self._ask(action)

    def close(self) -> None:
        """Nothing was changed."""


def listen_everywhere(ask: Ask, notify: Notify) -> bool:
    """Let q save a picture whatever program it is typed in, through the ``keyboard`` package.

    Parameters
    ----------
    ask : callable
        Takes "snapshot".
    notify : callable
        Takes a line for people where it cannot work.

    Returns
    -------
    bool
        Whether it works, as far as can be seen: reading the keyboard may still fail later, which is reported.
    """
    threading.excepthook = _quiet_hook(notify, threading.excepthook)
    try:
        import keyboard  # noqa: PLC0415 - it reads every key typed: never without being asked for

        keyboard.add_hotkey("q", ask, args=("snapshot",))
    except (ImportError, OSError, AssertionError, ValueError, LookupError, RuntimeError, AttributeError) as error:
        notify(f"no global hotkey: {_why(error)}")
        return False
    return True


def _why(error: BaseException) -> str:
    """Why the keyboard package failed; on Linux its own words are few."""
    if isinstance(error, ModuleNotFoundError) and error.name == "keyboard":
        return "run 'python -m pip install keyboard', or set GLOBAL_HOTKEY = False"
    if isinstance(error, ImportError):
        return f"{error}; run as that user, or set GLOBAL_HOTKEY = False"
    if isinstance(error, AssertionError):
        return "no keyboard was found; set GLOBAL_HOTKEY = False"
    if isinstance(error, FileNotFoundError):
        return f"{error.filename or error} is missing (Debian: package kbd); or set GLOBAL_HOTKEY = False"
    return f"{str(error) or type(error).__name__}; set GLOBAL_HOTKEY = False"


def _quiet_hook(
    notify: Notify, usual: Callable[[threading.ExceptHookArgs], object]
) -> Callable[[threading.ExceptHookArgs], object]:
    """A hook that tells of faults in the threads of the keyboard package in one line, once."""
    reported: list[str] = []

    def hook(fault: threading.ExceptHookArgs) -> None:
        if not _is_of_keyboard(fault):
            usual(fault)
        elif not reported:
            reported.append("")
            error = fault.exc_value
            notify(f"no global hotkey: {fault.exc_type.__name__ if error is None else _why(error)}")

    return hook


def _is_of_keyboard(fault: threading.ExceptHookArgs) -> bool:
    trace = fault.exc_traceback
    while trace is not None:
        if str(trace.tb_frame.f_globals.get("__name__", "")).split(".")[0] == "keyboard":
            return True
        trace = trace.tb_next
    return False

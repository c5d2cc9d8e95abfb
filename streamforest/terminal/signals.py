"""Signals that end the program: taken over before anything that takes time is imported."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

#: What has to be done however the program ends: the terminal as it was, children ended. Called at any moment.
_last_deeds: list[Callable[[], None]] = []


def before_abrupt_end(deed: Callable[[], None]) -> None:
    """Have something done before the program ends at once; it must not wait for anything."""
    _last_deeds.append(deed)


def no_more_before_abrupt_end(deed: Callable[[], None]) -> None:
    """Take a deed back; one that is not there is none."""
    with suppress(ValueError):
        _last_deeds.remove(deed)


def end_abruptly(line: str, code: int) -> NoReturn:
    """End the program here and now, from any thread or signal handler; nothing is waited for."""
    for deed in tuple(_last_deeds):
        with suppress(Exception):
            deed()
    with suppress(OSError):
        os.set_blocking(2, False)  # nobody may read it
        os.write(2, f"{line}\n".encode())
    os._exit(code)


def end_at_once(*_signal: object) -> None:
    """End the program from a signal handler while nothing has been read or written yet."""
    end_abruptly("stopped before the first point", 0)


def on_stop_signals(handler: signal._HANDLER) -> None:
    """Let a handler take Ctrl+C (on Windows Ctrl+Break as well), SIGTERM, and the end of the terminal's line.

    A program that was started to outlive its terminal (``nohup``) goes on not to hear of that one.
    """
    for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), handler)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signal.signal(signal.SIGHUP, handler)


def on_quit() -> None:
    """Let SIGQUIT end the program as ever, with the terminal as it was."""
    if hasattr(signal, "SIGQUIT") and signal.getsignal(signal.SIGQUIT) == signal.SIG_DFL:
        signal.signal(signal.SIGQUIT, _quit)


def _quit(number: int, _frame: object) -> None:
    for deed in tuple(_last_deeds):
        with suppress(Exception):
            deed()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)

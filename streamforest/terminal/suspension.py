"""Ctrl+Z and back: the terminal is given back before the job stops, and taken again when it goes on."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import NamedTuple

Deed = Callable[[], None]


class _Party(NamedTuple):
    """Who has changed the terminal: what gives it back, and what takes it again. Either may come twice in a row."""

    give_back: Deed
    take_again: Deed


_parties: list[_Party] = []
_handlers: dict[int, signal._HANDLER] = {}


def around_suspension(give_back: Deed, take_again: Deed) -> None:
    """Have the terminal given back before the job stops, and taken again once it goes on; in the main thread.

    ``take_again`` is called too after a stop that could not be caught, and where the job goes on in the background: it
    has to look whether the terminal is its own.
    """
    if not _parties:
        for number, handler in ((signal.SIGTSTP, _stop), (signal.SIGCONT, _go_on)):
            _handlers[number] = signal.signal(number, handler)
    _parties.append(_Party(give_back, take_again))


def no_more_around_suspension(give_back: Deed, take_again: Deed) -> None:
    """Take it back; what is not there is none."""
    with suppress(ValueError):
        _parties.remove(_Party(give_back, take_again))
    if not _parties:
        for number, handler in _handlers.items():
            signal.signal(number, handler)
        _handlers.clear()


def _stop(number: int, _frame: FrameType | None) -> None:
    """Stop as Ctrl+Z asks; returns when the job goes on."""
    for party in reversed(_parties):
        party.give_back()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    signal.signal(number, _stop)
    _go_on(number, None)


def _go_on(_number: int, _frame: FrameType | None) -> None:
    for party in _parties:
        party.take_again()

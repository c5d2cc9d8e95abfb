"""A bar on standard error for what takes a while, if that is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TypeVar

from streamforest.terminal.console import draw_bar, is_terminal

T = TypeVar("T")


def progress(items: Sequence[T], what: str) -> Iterator[T]:
    """The items, with a bar on standard error if that is a terminal."""
    for done, item in enumerate(items):
        show_bar(what, done, len(items))
        yield item
    show_bar(what, len(items), len(items))


def show_bar(what: str, done: int, of: int) -> None:
    """Draw a bar on standard error, if that is a terminal, over the one before; one that is full ends its line."""
    if is_terminal(sys.stderr):
        bar = "#" * (30 * done // of)
        draw_bar(f"{what:<28} [{bar:<30}] {100 * done // of:3d} %", is_last=done == of)

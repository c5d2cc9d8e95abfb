"""What a view shows of a run, and what it can ask the run for."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from streamforest.protocols import Status, VerdictMemory
from streamforest.terminal.actions import Actions


class Watched(Protocol):
    """What a view shows, and what it can ask for.

    Attributes
    ----------
    memory : VerdictMemory
        What is drawn.
    actions : Actions
        Takes what keys and visitors ask for.
    """

    memory: VerdictMemory
    actions: Actions

    def status(self) -> Status:
        """How the run stands."""
        ...

    def snapshot(self) -> Path:
        """Save a picture; returns its path."""
        ...

    def case(self, index: int) -> bytes:
        """The case file of the episode at a stream index, or the newest one before; raises OSError without one."""
        ...

    def report(self) -> bytes:
        """The anomalous points so far as a CSV file."""
        ...

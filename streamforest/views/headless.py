"""No picture on any screen: the program waits for keys and for the end of the run."""

from __future__ import annotations

from collections.abc import Callable

from streamforest.terminal.actions import Actions


class HeadlessView:
    """A view that shows nothing.

    Parameters
    ----------
    actions : Actions
        What ends a wait early.
    descriptors : callable
        What else does: descriptors to be read from, asked for at each wait.
    """

    name = "none"

    def __init__(self, actions: Actions, descriptors: Callable[[], tuple[int, ...]] = tuple) -> None:
        self._actions = actions
        self._descriptors = descriptors
        self.is_open = True

    def poll(self, seconds: float) -> None:
        """Wait so long, less if there is something to do."""
        self._actions.wait(seconds, *self._descriptors())

    def command(self, name: str) -> None:
        """Nothing is shown, nothing changes."""

    def close(self) -> None:
        """Nothing is held."""
        self.is_open = False

"""What a panel of choices shows in any view: its rows, what they would change in numbers, and the marks of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from streamforest.verdicts.difference import Difference


class Row(NamedTuple):
    """A row of a panel.

    Attributes
    ----------
    name, text : str
        What it is, and its value.
    share : float or None
        Where a slider stands, in [0, 1]; None where the row has none.
    is_changed : bool
        Whether it differs from what the run has.
    """

    name: str
    text: str
    share: float | None = None
    is_changed: bool = False


class Panel(NamedTuple):
    """A panel as it stands.

    Attributes
    ----------
    title : str
    rows : tuple of Row
    chosen : int
        Number of the row that keys change.
    result : str
        What the choice would change, in numbers; or that it is not known yet.
    hint : str
        The keys.
    marks : Difference or None
        What a second row of marks shows; None while it is not known.
    version : int
        Another one wherever anything of it is another.
    has_choice : bool
        Whether there is something to take over; else it only tells.
    """

    title: str
    rows: tuple[Row, ...]
    chosen: int
    result: str
    hint: str
    marks: Difference | None
    version: int
    has_choice: bool = True


class Choices(Protocol):
    """What stands behind a panel; all methods belong to the main thread."""

    def panel(self) -> Panel | None:
        """The panel, up to date; None where it is closed."""
        ...

    def choose(self, row: int) -> None:
        """Choose a row, by its number."""
        ...

    def set_share(self, row: int, share: float) -> None:
        """Choose a row, and put its slider to a place in [0, 1]."""
        ...


#: Gives the panel that is open, and what stands behind it; None where none is.
OpenPanel = Callable[[], "Choices | None"]

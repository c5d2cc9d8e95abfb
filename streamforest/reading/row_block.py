"""A block of rows as a reader of text hands it out: readings that know where they stand, plain ones as an array."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, SupportsIndex, TypeAlias, cast, overload

import numpy as np
from numpy.typing import NDArray

from streamforest.protocols import Reading, Refusal

if TYPE_CHECKING:
    from streamforest.reading.column_layout import Layout

#: One row: its numbers as in POINT_DTYPE, whether its value was repaired, which of the block's items it is (or PARSED),
#: where it begins and ends in its text (bytes, the line's end included), and the number of its line, from 1.
ROW_DTYPE = np.dtype(
    [
        ("time", "f8"),
        ("value", "f8"),
        ("label", "i1"),
        ("is_repaired", "?"),
        ("item", "i8"),
        ("start", "i8"),
        ("end", "i8"),
        ("line", "i8"),
    ]
)
PARSED = -1  # the row's numbers stand in the array
ODD = -2  # the row needs a closer look
NOWHERE = -1  # end of a line behind which the text cannot be read on: too long, or lines before it are handed out later


class Position(NamedTuple):
    """Where a text is to be read on.

    Attributes
    ----------
    offset : int
        Bytes of the text before it (of a compressed file: unpacked).
    lines : int
        Lines of the text before it.
    layout : Layout or None
        Which column is what, as far as it is known.
    """

    offset: int
    lines: int
    layout: Layout | None


#: Number of a row's line, and where it begins and ends, as in ROW_DTYPE.
Place: TypeAlias = tuple[int, int, int]


class Lines(list[Reading | Refusal]):
    """Raw readings in order, of which none is plain; a slice is another block.

    Parameters
    ----------
    items : list of Reading or Refusal
        The readings.
    places : list of Place
        Of each.
    layout : Layout, optional
        By which they were read.
    """

    def __init__(self, items: list[Reading | Refusal], places: list[Place], layout: Layout | None) -> None:
        list.__init__(self, items)  # for one line, to look up super() takes as long again
        self._places = places
        self._layout = layout

    @property
    def end(self) -> Position | None:
        """Where the text goes on behind the last row; None where that cannot be told, or without rows."""
        return _position([(line, end) for line, _, end in self._places[-1:]], self._layout)

    @property
    def farthest(self) -> int:
        """Where the row that stands farthest in the text begins, bytes; NOWHERE without rows."""
        return max((start for _, start, _ in self._places), default=NOWHERE)

    @overload
    def __getitem__(self, at: SupportsIndex) -> Reading | Refusal: ...
    @overload
    def __getitem__(self, at: slice) -> Lines: ...
    def __getitem__(self, at: SupportsIndex | slice) -> Reading | Refusal | Lines:
        if isinstance(at, slice):
            return Lines(super().__getitem__(at), self._places[at], self._layout)
        return super().__getitem__(at)


class Rows(Sequence[Reading | Refusal]):
    """Raw readings in order; a slice is another block; equal to any sequence of the same readings.

    Parameters
    ----------
    table : array of ROW_DTYPE, shape (n,)
        The rows.
    items : sequence of Reading or Refusal
        Those that are not plain; ``table["item"]`` says which is whose.
    read : callable
        Makes the Reading of a plain row from its line and where it begins and ends.
    layout : Layout, optional
        By which they were read.
    key : callable, optional
        Makes the key of a plain row from where it begins and where it ends, sooner than ``read`` does; None: rows have
        no keys.
    """

    def __init__(
        self,
        table: NDArray[np.void],
        items: Sequence[Reading | Refusal],
        read: Callable[[int, int, int], Reading | Refusal | None],
        layout: Layout | None,
        key: Callable[[int, int], str] | None = None,
    ) -> None:
        self.table = table
        self._items = items
        self._read = read
        self._layout = layout
        self._key = key

    @property
    def is_parsed(self) -> bool:
        """Whether the array holds the numbers of all rows."""
        return not self._items or bool((self.table["item"] == PARSED).all())

    @property
    def end(self) -> Position | None:
        """Where the text goes on behind the last row; None where that cannot be told, or without rows."""
        return _position(self.table[["line", "end"]][-1:].tolist(), self._layout)

    @property
    def farthest(self) -> int:
        """Where the row that stands farthest in the text begins, bytes; NOWHERE without rows."""
        return int(self.table["start"].max(initial=NOWHERE))

    def row_keys(self) -> list[str] | None:
        """Keys of the rows, which must be plain; None where they have none."""
        if self._key is None:
            return None
        return [*map(self._key, self.table["start"].tolist(), self.table["end"].tolist())]

    def parts(self) -> Iterator[Rows]:
        """The block in pieces, in order, each either of plain rows only or of others only."""
        if self.is_parsed:
            yield self
            return
        changes = np.flatnonzero(np.diff(self.table["item"] == PARSED)) + 1
        for first, last in pairwise((0, *changes.tolist(), len(self))):
            yield self[first:last]

    def __len__(self) -> int:
        return len(self.table)

    @overload
    def __getitem__(self, at: int) -> Reading | Refusal: ...
    @overload
    def __getitem__(self, at: slice) -> Rows: ...
    def __getitem__(self, at: int | slice) -> Reading | Refusal | Rows:
        if isinstance(at, slice):
            return Rows(self.table[at], self._items, self._read, self._layout, self._key)
        return self._made(*self.table[["item", "line", "start", "end"]][at].item())

    def __iter__(self) -> Iterator[Reading | Refusal]:
        columns = (self.table[name].tolist() for name in ("item", "line", "start", "end"))
        return map(self._made, *columns)

    def __eq__(self, other: object) -> bool:
        return [*self] == [*other] if isinstance(other, Sequence) else NotImplemented

    __hash__ = None  # type: ignore[assignment] # its array can be changed

    def _made(self, item: int, line: int, start: int, end: int) -> Reading | Refusal:
        return cast(Reading, self._read(line, start, end)) if item == PARSED else self._items[item]


def _position(last: list[tuple[int, int]], layout: Layout | None) -> Position | None:
    """The place behind a row, if there is one, given as its line and its end."""
    return next((Position(end, line, layout) for line, end in last if end != NOWHERE), None)


#: What a reader of text hands out: Lines where it looked at each line, else Rows. Both know their ``end``.
TextBlock: TypeAlias = Lines | Rows


class RowCollector:
    """Collects the rows of a block."""

    def __init__(self) -> None:
        self._items: list[Reading | Refusal] = []
        self._places: list[Place] = []  # of the newest items, which are in no table yet
        self._tables: list[NDArray[np.void]] = []
        self._read: Callable[[int, int, int], Reading | Refusal | None]
        self._key: Callable[[int, int], str] | None = None

    def add(self, item: Reading | Refusal | None, line: int, start: int, end: int) -> None:
        """Add one row that is not plain; None: it is no row."""
        if item is not None:
            self._items.append(item)
            self._places.append((line, start, end))

    def add_lines(self, items: list[Reading | Refusal], places: list[Place]) -> None:
        """Add rows of which none is plain."""
        self._items += items
        self._places += places

    def add_rows(
        self,
        table: NDArray[np.void],
        odd: NDArray[np.int64],
        read: Callable[[int, int, int], Reading | Refusal | None],
        key: Callable[[int, int], str] | None,
    ) -> None:
        """Add rows of which some are not plain; once a block."""
        self._read, self._key = read, key
        self._give_table()
        for row in odd.tolist():
            item = read(*table[["line", "start", "end"]][row].item())
            table["item"][row] = len(self._items) if item is not None else ODD
            self._items += [] if item is None else [item]
        self._tables.append(table[table["item"] != ODD] if len(odd) else table)

    def block(self, layout: Layout | None) -> TextBlock:
        """What was found."""
        if not self._tables:
            return Lines(self._items, self._places, layout)
        self._give_table()
        first, *others = self._tables
        table = np.concatenate(self._tables) if others else first
        return Rows(table, self._items, self._read, layout, self._key)

    def _give_table(self) -> None:
        if self._places:
            table = np.zeros(len(self._places), ROW_DTYPE)
            table["item"] = np.arange(len(self._items) - len(table), len(self._items))
            table["line"], table["start"], table["end"] = np.transpose(self._places)
            self._tables.append(table)
            self._places = []

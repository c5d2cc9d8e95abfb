"""How far the rows of a text were handed out, so that a later run reads on from there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from streamforest.protocols import State
from streamforest.reading.codings import CODINGS
from streamforest.reading.column_layout import Layout
from streamforest.reading.number_form import NumberForm
from streamforest.reading.objects import READERS
from streamforest.reading.row_block import Position, TextBlock
from streamforest.reading.time_form import Period, TimeReader
from streamforest.state import packed, unpacked

START = Position(0, 0, None)


class Bookmark:
    """A place in a text, and how many rows behind it were handed out.

    The place is behind the last row wherever the text can be read on from there; elsewhere, as while lines are kept
    until the columns are found, it stays where it was, and the rows behind it are counted.

    Attributes
    ----------
    place : Position
        Where the text is to be read on.
    beyond : int
        Rows behind it that were handed out.
    earlier : Layout or None
        Columns of the text before, see ``RowReader.restart``.
    """

    def __init__(self) -> None:
        self.place, self.beyond = START, 0
        self.earlier: Layout | None = None
        self._farthest = 0  # beginning of a row, bytes
        self._is_held = False

    def follow(self, blocks: Iterator[TextBlock]) -> Iterator[TextBlock]:
        """Hand on all rows that were not handed out before."""
        left = self.beyond
        for block in blocks:
            rows, left = block[left:], max(0, left - len(block))
            if len(rows):
                self._pass(rows)
                yield rows

    def _pass(self, rows: TextBlock) -> None:
        end = rows.end
        self._farthest = max(self._farthest, rows.farthest)
        if end is None or end.offset <= self._farthest or self._is_held:
            self.beyond += len(rows)
        else:
            self.place, self.beyond = end, 0

    def hold(self) -> None:
        """Only count rows from now on: they are what is left of a text that is over."""
        self._is_held = True

    def turn(self, earlier: Layout | None) -> None:
        """Go on at the start of another text with the columns of the one before."""
        self.place, self.beyond, self.earlier = START, 0, earlier
        self._farthest, self._is_held = 0, False

    def state(self) -> State:
        """A copy of all that is remembered."""
        return {"bookmark": packed([*self.place, self.beyond, self.earlier])}

    def restore(self, state: State) -> None:
        """Go on from a state; raises ValueError where it is none."""
        kind = tuple[int, int, Layout | None, int, Layout | None]
        offset, lines, layout, self.beyond, earlier = unpacked(state, "bookmark", kind)
        if min(offset, lines, self.beyond) < 0:
            raise ValueError("the saved place in the source lies before its beginning")
        self.place = Position(offset, lines, _layout_of(layout))
        self.earlier = _layout_of(earlier)


def _layout_of(saved: list[Any] | None) -> Layout | None:
    if saved is None:
        return None
    fields = dict(zip(Layout._fields, saved, strict=True))
    number = fields["number"] and NumberForm(*fields["number"])
    tuples = {name: tuple(fields[name]) for name in ("names", "parts", "footers")}
    period = fields["period"] and Period(*fields["period"])
    layout = Layout(**fields | tuples | {"number": number, "period": period})
    places = (
        layout.value,
        layout.time,
        layout.label,
        layout.key,
        layout.clock,
        layout.sign,
        layout.offset,
        *layout.parts,
    )
    if not all(place is None or 0 <= place < len(layout.names) for place in places):
        raise ValueError("the saved columns of the source are not there")
    if layout.notation not in ("", *READERS) or layout.coding not in ("", *CODINGS):
        raise ValueError("the saved notation or coding of the source is none")
    if period and period.seconds < 1:
        raise ValueError("the saved parts of a day have no length")
    TimeReader(layout.time_form, layout.zone)  # raises ValueError where there is no such form or zone
    return layout

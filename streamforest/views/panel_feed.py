"""The panel of choices that a visitor of the page has open: what he does with it, and how it stands."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, Protocol, TypeGuard

from streamforest.terminal.actions import OPENING, SWITCHING
from streamforest.verdicts.panel import Choices, Panel

#: Points of each kind of marks that are sent, the newest.
MOST_MARKS = 2_000
#: Panels that visitors have open at once, all together: each judges the kept points again.
MOST_PANELS = 4
#: What a visitor may do with an open panel by its name alone.
MOVES = frozenset({"up", "down", "back", "forward", "take", "leave"})

#: Stream indices of the first and last point in view, and of the selected one or None.
Seen = tuple[int, int, int | None]


class OpenChoices(Choices, Protocol):
    """What stands behind a panel that a visitor has open."""

    def command(self, name: str) -> bool:
        """Carry out one of MOVES; whether the panel stays open."""
        ...


#: An action and what the visitor looks at -> the panel that it opens; raises ValueError or OSError where it cannot.
OpenPanel = Callable[[str, Seen], OpenChoices | None]


class PanelFeed:
    """The panel of one visitor.

    Parameters
    ----------
    open_panel : callable
        See OpenPanel.
    others : set
        The feeds of visitors with a panel, to which this one is added while it has one.
    """

    def __init__(self, open_panel: OpenPanel, others: set[PanelFeed]) -> None:
        self._open_panel, self._others = open_panel, others
        self._choices: OpenChoices | None = None
        self._opened_by = ""  # the action
        self._said = ""
        self._sent: tuple[Any, ...] = (None, "")

    def heed(self, name: str, message: dict[str, Any]) -> None:
        """Open a panel, or do something with the open one; what is none of it does nothing."""
        row, share, seen = message.get("row"), message.get("share"), seen_of(message.get("seen"))
        if self._choices is not None and name in SWITCHING and name == self._opened_by:
            self.close()
        elif name in OPENING:
            if seen is not None:
                self._open(name, seen)
        elif self._choices is None:
            return
        elif name == "slide" and _is_number(row) and _is_number(share):
            self._choices.set_share(int(row), min(max(share, 0.0), 1.0))
        elif name == "choose" and _is_number(row):
            self._choices.choose(int(row))
        elif name in MOVES and not self._choices.command(name):
            self._forget()

    def due(self) -> str | None:
        """The panel as it stands, if the visitor has not got it yet."""
        panel = None if self._choices is None else self._choices.panel()
        state = (None if panel is None else (self._choices, panel.version), self._said)
        if state == self._sent:
            return None
        said, self._said = self._said, ""
        self._sent = (state[0], "")
        return json.dumps({"kind": "panel", "panel": None if panel is None else facts_of(panel), "said": said})

    def close(self) -> None:
        """Leave the open panel: the visitor is gone."""
        if self._choices is not None:
            self._choices.command("leave")
            self._forget()

    def _open(self, name: str, seen: Seen) -> None:
        if self._choices is None and len(self._others) >= MOST_PANELS:
            self._said = f"{MOST_PANELS} visitors have a panel open already"
            return
        try:
            opened = self._open_panel(name, seen)
        except (ValueError, OSError) as error:
            self._said = getattr(error, "strerror", None) or str(error)
            return
        if opened is not None:
            self.close()
            self._choices, self._opened_by = opened, name
            self._others.add(self)

    def _forget(self) -> None:
        self._choices = None
        self._others.discard(self)


def seen_of(found: object) -> Seen | None:
    """What a visitor looks at; None where that is nonsense."""
    match found:
        case [float() as first, float() as last, (float() | None) as selected]:
            if all(map(_is_number, (first, last, 0.0 if selected is None else selected))):
                return int(first), int(last), None if selected is None else int(selected)
    return None


def _is_number(found: object) -> TypeGuard[float]:
    return isinstance(found, float) and math.isfinite(found) and abs(found) < 2**53


def facts_of(panel: Panel) -> dict[str, Any]:
    """A panel as JSON has it; ``marks``: indices of points whose alarms stay, are new, or are dropped."""
    marks = panel.marks
    kinds = () if marks is None else (marks.kept_points, marks.new_points, marks.dropped_points)
    return {
        "title": panel.title,
        "rows": [[row.name, row.text, row.share, row.is_changed] for row in panel.rows],
        "chosen": panel.chosen,
        "result": panel.result,
        "hint": panel.hint,
        "has_choice": panel.has_choice,
        "marks": [points[-MOST_MARKS:].tolist() for points in kinds],
    }

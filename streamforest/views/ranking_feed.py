"""What visitors of the page get of many streams: the ranking as a table, and the newest points of one of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from streamforest.protocols import Status
from streamforest.stream_names import shown_key
from streamforest.verdicts.incidents import MOST_LISTED, Incident, Incidents
from streamforest.verdicts.ranking import Rank, StreamRanking
from streamforest.views.chart_rows import past_rows, wire_body, wire_frame
from streamforest.views.page_downloads import ranks_csv
from streamforest.views.ranking_table import MOST_RANKED, TableWish, table_facts, table_wish_of

MOST_INCIDENTS = 20  # in the list, the newest
LOOKS = 2  # the streams are ranked at every second look: that takes longer than looking for episodes


class RankingShown:
    """Many streams, as all visitors share them.

    Parameters
    ----------
    ranking : StreamRanking
        Where the streams are.

    Attributes
    ----------
    ranks : list of Rank
        The worst streams when they were looked at.
    version : int
        How often that was.
    incidents : Incidents or None
        Of these streams, where they are looked for.
    """

    kind = "ranking"

    def __init__(self, ranking: StreamRanking) -> None:
        self.ranking = ranking
        self.incidents: Incidents | None = None
        self.ranks: list[Rank] = []
        self.version, self._end, self._looks = 0, -1, 0

    def new_feed(self) -> RankingFeed:
        """What one more visitor gets."""
        return RankingFeed(self)

    def refresh(self) -> None:
        """Nothing is shown of every point."""

    def look_around(self) -> None:
        """Rank the streams, if there are new points."""
        end, is_due = self.ranking.end, self._looks % LOOKS == 0
        self._looks += 1
        if is_due and end != self._end:
            self._end, self.ranks = end, self.ranking.ranks(0, MOST_RANKED)
            self.version += 1

    def facts(self, status: Status) -> dict[str, Any]:
        """How the streams stand now: the state of the worst, and the alarm that it has its place for."""
        worst = self.ranks[0] if self.ranks else None
        place = {"first": 0, "end": self.ranking.end, "capacity": 0, "time": None if worst is None else worst.time}
        if worst is None or not worst.reason:
            return {"state": "warming up" if status.warm_up < 1 else "calm", "since": None, "last": None, **place}
        last = {"words": f"{shown_key(worst.key)}: {worst.reason}"}
        return {"state": worst.state, "since": None, "last": last, **place}

    def incidents_facts(self) -> dict[str, Any]:
        """The newest incidents, the newest first, as the page's list takes them; and how many there were."""
        kept = [] if self.incidents is None else [*self.incidents.kept]
        newest = [incident_facts(one) for one in kept[: -MOST_INCIDENTS - 1 : -1]]
        return {"incidents": newest, "found": 0 if self.incidents is None else self.incidents.found}

    def seen_csv(self, first: int, end: int) -> bytes:
        """The worst streams as CSV, from one place of the ranking to another, which is outside."""
        return ranks_csv(self.ranks[first:end])

    def rank_of(self, number: int) -> Rank | None:
        """A stream among the worst, by its number."""
        return next((rank for rank in self.ranks if rank.number == number), None)


def incident_facts(incident: Incident) -> dict[str, Any]:
    """An incident as the page's list takes it; of its streams the first MOST_LISTED."""
    members = [(shown_key(member.key), member.start, member.reason) for member in incident.members[:MOST_LISTED]]
    facts = {"id": incident.id, "start": incident.members[0].start, "sure": incident.sure}
    return facts | {"by_chance": incident.by_chance, "streams": len(incident.members), "members": members}


class RankingFeed:
    """What one visitor gets of many streams.

    Parameters
    ----------
    shown : RankingShown
        The streams.
    """

    def __init__(self, shown: RankingShown) -> None:
        self._shown = shown
        self._wish = TableWish()
        self._sent: tuple[int, TableWish] | None = None  # version and wish of the table that the visitor has
        self._incidents = 0  # that the visitor knows of
        self._number: int | None = None  # of the stream that is open
        self._past = b""  # as the visitor has it

    def heed(self, message: dict[str, Any]) -> None:
        """Take what a visitor wants to see."""
        match message:
            case {"table": parts}:
                self._wish = table_wish_of(parts) or self._wish
            case {"stream": float() as number} if number in {rank.number for rank in self._shown.ranks}:
                self._number, self._past = int(number), b""
            case {"stream": None}:
                self._number = None

    def heed_panel(self, name: str, message: dict[str, Any]) -> None:
        """Nothing: panels of choices are of one stream."""

    def close(self) -> None:
        """Nothing is open."""

    def note_read(self, kind: str, now: float) -> None:
        """Nothing depends on it: tables and pasts are small."""

    def due(self, is_ready: Callable[[str], bool], now: float) -> Iterator[tuple[str, str | bytes]]:  # noqa: ARG002
        """Kind and content of what the visitor has not got yet, of the kinds that it is ready for."""
        wanted = (self._shown.version, self._wish)
        if is_ready("table") and self._sent != wanted:
            self._sent = wanted
            facts = table_facts(self._shown.ranking, self._shown.ranks, self._wish)
            yield "table", json.dumps({"kind": "table", **facts}, allow_nan=False)
        found = 0 if self._shown.incidents is None else self._shown.incidents.found
        if is_ready("incidents") and self._incidents != found:
            self._incidents = found
            yield "incidents", json.dumps({"kind": "incidents", **self._shown.incidents_facts()}, allow_nan=False)
        rank = None if self._number is None else self._shown.rank_of(self._number)
        if rank is not None and is_ready("chart"):
            rows = past_rows(self._shown.ranking, rank.number)
            body = wire_body(rows, np.zeros(len(rows), np.uint8))
            if body != self._past:
                self._past = body
                facts = {"view": 0, "whole": True, "from": 0, "end": len(rows), "shared": 1, "first": 0, "thin": 1}
                yield "chart", wire_frame({**facts, "stream": rank.number}, len(rows), body)

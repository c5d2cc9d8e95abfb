"""The stream of a summary as a chart that its reader moves: the few points that it needs, and the episodes."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from streamforest.figures.inline import inline_picture
from streamforest.program.summary.markup import Chart, Section, rarity
from streamforest.protocols import LABELS, REASONS, Status, Verdicts
from streamforest.verdicts.episodes import Episode
from streamforest.verdicts.history import History
from streamforest.views.chart_rows import MOST_OTHERS, chart_places, flags_of_others, per_column, wire_body, wire_frame
from streamforest.views.stream_feed import episode_facts

#: Columns of the whole stream; within one that is shared only the extremes and the anomalies are in the page.
COLUMNS = 4_000
#: Points around the most unusual episodes that are there one by one, and around one of them before, after and in all.
MOST_DETAILED = 6_000
BEFORE, AFTER, LONGEST = 120, 80, 600
MOST_LISTED = 300  # episodes beside the chart, the newest: as on the live page
#: Width and height in inches and pixels an inch of the picture for paper, and where no script may run.
SIZE, DPI = (12.8, 6.8), 110.0


def stream_chart(
    history: History, status: Callable[[], Status], points: int, episodes: Sequence[Episode], ended: int
) -> Section:
    """The stream as far as it is kept.

    Parameters
    ----------
    history : History
        The points.
    status : callable
        Gives the run's Status.
    points : int
        That were judged.
    episodes : sequence of Episode
        That are kept, in order.
    ended : int
        How many there were.
    """
    rows = history.view(history.first, history.end - 1)
    if not len(rows):
        return Section(note="No point was judged.")
    run = {
        "reasons": REASONS,
        "labels": LABELS,
        "others": () if history.marks is None else history.marks.names[:MOST_OTHERS],
        "episodes": [
            episode_facts(episode, history.like_text(episode), is_open=False) for episode in episodes[-MOST_LISTED:]
        ],
    }
    frame, shared = _frame(rows, history, episodes)
    text = json.dumps({**run, "points": base64.b64encode(frame).decode()}, allow_nan=False)
    meaning = "The stream with its expected band and anomalies above, score and threshold below"
    return Section(
        chart=Chart(
            text.replace("<", "\\u003c"),  # or the name of a detector could end the script's element
            inline_picture(history, status, "light", *SIZE, DPI),
            (round(100 * SIZE[0]), round(100 * SIZE[1])),
            meaning,
            _caption(len(rows), points, shared),
            f"The newest {MOST_LISTED:,} of {ended:,}." if ended > MOST_LISTED else "",
        )
    )


def _caption(kept: int, points: int, shared: int) -> str:
    what = f"The newest {kept:,} of {points:,} points" if kept < points else f"All {points:,} points"
    if shared == 1:
        return f"{what}."
    return (
        f"{what}. Of {shared} neighbours the page holds the lowest, the highest and the most unusual; around the most "
        "unusual episodes it holds all."
    )


def _frame(rows: Verdicts, history: History, episodes: Sequence[Episode]) -> tuple[bytes, int]:
    """The points that the chart needs, as the live page gets them, and how many share a column."""
    others = flags_of_others(history, rows)
    shared = per_column(len(rows), COLUMNS)
    first = int(rows["index"][0])
    places = np.union1d(chart_places(rows, others, shared), _detailed(first, len(rows), episodes))
    facts = {"whole": True, "first": first, "end": first + len(rows), "time": _finite(rows["time"][-1])}
    return wire_frame(facts, len(places), wire_body(rows[places], others[places])), shared


def _finite(number: float) -> float | None:
    return float(number) if np.isfinite(number) else None


def _detailed(first: int, n: int, episodes: Sequence[Episode]) -> NDArray[np.intp]:
    """Places of the points around the most unusual episodes."""
    wanted = np.zeros(n, dtype=bool)
    for episode in sorted(episodes, key=rarity):
        begin = episode.start.index - BEFORE
        end = min(episode.last.index + AFTER, begin + LONGEST)
        wanted[max(0, begin - first) : max(0, end - first)] = True
        if np.count_nonzero(wanted) > MOST_DETAILED:
            break
    return np.flatnonzero(wanted)

"""Verdicts and detectors as a notebook shows them: pictures and tables."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamforest.detectors.isolation_forest import StreamDetector
from streamforest.features.season import LONGEST_SEASON
from streamforest.figures.inline import inline_picture
from streamforest.moments import iso_time
from streamforest.protocols import UNLABELLED, VERDICT_DTYPE, Verdicts, verdict_from_row
from streamforest.streams import StreamDetectors
from streamforest.verdicts.counts import RunCounts
from streamforest.verdicts.history import History
from streamforest.wording import reason_text

#: Newest points that are drawn, and newest episodes that are listed.
MOST_POINTS, MOST_EPISODES = 50_000, 10
#: Inches and pixels an inch of the picture, as wide as a notebook's cell.
WIDTH, HEIGHT, DPI = 10.0, 6.0, 96.0


def html_of(shown: Any) -> str | None:
    """The HTML of verdicts, a detector or detectors of many streams; None for anything else, which is shown as text."""
    if isinstance(shown, np.ndarray):
        return html_of_array(shown)
    if isinstance(shown, StreamDetector):
        return html_of_detector(shown)
    return html_of_detectors(shown) if isinstance(shown, StreamDetectors) else None


def html_of_array(array: NDArray[Any]) -> str | None:
    """The picture of the verdicts of one stream and their newest episodes; None for any other array."""
    if array.dtype != VERDICT_DTYPE or array.ndim != 1 or not len(array) or (np.diff(array["index"]) != 1).any():
        return None
    counts = _counts_of(array)
    numbers = f"{counts.points:,} points, {counts.anomalies:,} anomalous in {counts.episodes:,} episodes"
    drawn = "" if len(array) <= MOST_POINTS else f"; the newest {MOST_POINTS:,} are drawn"
    return f"<p>{numbers}{drawn}</p>{_picture(array)}{_episodes(array)}"


def _counts_of(verdicts: Verdicts) -> RunCounts:
    counts = RunCounts(0.001)
    counts.add(verdicts)
    return counts


def _picture(verdicts: Verdicts) -> str:
    """The picture of the live view of verdicts of one stream."""
    history, counts = History(min(len(verdicts), MOST_POINTS)), _counts_of(verdicts)
    history.write(verdicts)
    status = counts.status("verdicts", StreamDetector.name, (StreamDetector.name,), StreamDetector.warm_up_points)
    address = inline_picture(history, lambda: status, "light", WIDTH, HEIGHT, DPI)
    return f'<img src="{address}" style="max-width: 100%" alt="The stream with its band and anomalies">'


def _episodes(verdicts: Verdicts) -> str:
    """A table of the newest episodes, each with its first point; empty where there are none."""
    flagged = verdicts[verdicts["is_anomaly"]]
    _, firsts = np.unique(flagged["episode"], return_index=True)
    rows = []
    for first in firsts[-MOST_EPISODES:]:
        verdict = verdict_from_row(flagged[first].item())
        when = f"point {verdict.index:,}" if verdict.time is None else iso_time(verdict.time)
        rows.append((f"{verdict.episode:,}", when, reason_text(verdict)))
    return _table(("episode", "begins", "reason"), rows) if rows else ""


def html_of_detector(detector: StreamDetector) -> str:
    """What a detector is and has seen, and a picture of the newest readings that it remembers."""
    record = detector.state()["records"][0]
    seen = record["position"]
    facts = [("points", f"{seen['index']:,}"), ("episodes", f"{seen['episode']:,}")]
    table = _table(("StreamDetector", ""), [*_asked(detector), *facts])
    values = _remembered(record["features"])
    if not len(values):
        return table
    verdicts = np.zeros(len(values), VERDICT_DTYPE)
    for name in ("time", "score", "threshold", "p_value", "expected", "lower", "upper"):
        verdicts[name] = np.nan
    verdicts["index"] = np.arange(seen["index"] - len(values), seen["index"])
    verdicts["value"], verdicts["label"] = values, UNLABELLED
    words = f"The newest {len(values):,} readings that it remembers; it keeps neither their times nor their scores."
    return f"{table}<p>{words}</p>{_picture(verdicts)}"


def _remembered(features: np.void) -> NDArray[np.float64]:
    """The newest readings in a detector's memory, the oldest first."""
    count = int(features["count"])
    kept = min(count, LONGEST_SEASON)
    newest = features["ring"][np.arange(count - kept, count) % LONGEST_SEASON]
    found: NDArray[np.float64] = features["zero"] + features["unit"] * np.float64(newest)
    return found


def html_of_detectors(detectors: StreamDetectors) -> str:
    """What detectors of many streams are, and how many there are."""
    facts = [("streams", f"{len(detectors):,} of at most {detectors.most:,}")]
    if np.isfinite(detectors.silence):
        facts.append(("dropped after", f"{detectors.silence:,g} s of silence"))
    return _table(("StreamDetectors", ""), facts)


def _asked(detector: StreamDetector) -> list[tuple[str, str]]:
    return [("detector", detector.name), ("alarm rate", f"{detector.judge.rate:g}")]


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    def row(cells: tuple[str, ...], kind: str) -> str:
        return "<tr>" + "".join(f"<{kind}>{escape(cell)}</{kind}>" for cell in cells) + "</tr>"

    return f"<table>{row(head, 'th')}{''.join(row(cells, 'td') for cells in rows)}</table>"

"""Runs of which a summary is made, and what stands on its page."""

import html.parser
from datetime import UTC, datetime

import numpy as np
import pytest

from streamforest.program.summary import chart
from streamforest.program.summary.page import Facts, summary_page
from streamforest.protocols import VERDICT_DTYPE
from streamforest.verdicts.counts import RunCounts
from streamforest.verdicts.history import History
from streamforest.verdicts.recent_episodes import RecentEpisodes

EVIL = "\"><script>alert(1)</script><img src=x onerror=alert(2)> @tiles@ ' & $\\frac{ \ud800.csv"
MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def stream(n, anomalies=(), labels=False, times=True):
    rng = np.random.default_rng(5)
    rows = np.zeros(n, VERDICT_DTYPE)
    rows["index"] = np.arange(n)
    rows["time"] = 1.7e9 + 60.0 * np.arange(n) if times else np.nan
    rows["expected"] = 20 + 5 * np.sin(np.arange(n) / 15)
    rows["lower"], rows["upper"] = rows["expected"] - 2, rows["expected"] + 2
    rows["value"] = rows["expected"] + rng.normal(0, 0.5, n)
    rows["score"], rows["threshold"], rows["p_value"], rows["label"] = 0.4, 0.6, 0.3, 0 if labels else -1
    for number, place in enumerate(anomalies, 1):
        row = rows[place]
        row["is_anomaly"], row["episode"], row["reason"] = True, number, 1
        row["value"], row["score"], row["p_value"] = 60, 0.9, 1e-6 * number
        row["label"] = 2 if labels else -1
        rows[place] = row
    return rows


def page_of(rows, *, capacity=50_000, further=(), most=1000, is_sharp=False, **facts):
    """The page of a run; its picture has few pixels where nobody looks at it, or it would take a second."""
    counts, history, episodes = RunCounts(0.001), History(capacity), RecentEpisodes(most=most)
    for sink in (counts.add, history.write, episodes.write):
        if len(rows):
            sink(rows)
    episodes.close()
    shown = {
        "source": "pump.csv",
        "detector": "forest",
        "began": MOMENT,
        "ended": MOMENT,
        "ending": "all points judged",
        "command": "python main.py pump.csv",
        "settings": {"DELAY": "0.1"},
        "versions": "streamforest 1",
    }
    shown.update(facts)

    def status():
        return counts.status(shown["source"], "forest", ("forest",), 1)

    with pytest.MonkeyPatch.context() as patch:
        if not is_sharp:
            patch.setattr(chart, "DPI", 20.0)
        return summary_page(Facts(**shown), counts, status, history, episodes, further)


class Reader(html.parser.HTMLParser):
    """The tags of a page, its text, and all that it would load."""

    VOID = frozenset({"meta", "link", "img", "source", "circle", "rect", "path", "br"})

    def __init__(self, page):
        super().__init__()
        self.tags, self.words, self.loads, self.open = [], [], [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        self.loads += [value for name, value in attributes if name in ("src", "srcset", "href")]
        assert not [name for name, _ in attributes if name.startswith("on")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        self.words.append(text)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)

import base64
import json
import re

import numpy as np
import pytest

from streamforest.program.summary import chart
from streamforest.program.summary.chart import stream_chart
from streamforest.protocols import VERDICT_DTYPE
from streamforest.verdicts.counts import RunCounts
from streamforest.verdicts.history import History, Marks
from streamforest.verdicts.recent_episodes import RecentEpisodes
from tests.pages import page_of, stream


@pytest.fixture(autouse=True)
def coarse(monkeypatch):
    monkeypatch.setattr(chart, "DPI", 20.0)


def chart_of(rows, capacity=50_000, marks=()):
    history, episodes, counts = History(capacity), RecentEpisodes(), RunCounts(0.001)
    if marks:
        history.marks = Marks(capacity, marks)
        history.marks.write(0, np.tile(rows["is_anomaly"], (len(marks), 1)))
    for sink in (history.write, episodes.write, counts.add):
        sink(rows)
    episodes.close()
    status = lambda: counts.status("s", "forest", ("forest",), 1)  # noqa: E731
    return stream_chart(history, status, len(rows), episodes.kept, episodes.ended).chart


def message_of(shown):
    """What the page's script finds: the run, the facts of its points, their indices and values."""
    run = json.loads(shown.run)
    content = base64.b64decode(run["points"])
    size = int.from_bytes(content[:4], "little")
    facts = json.loads(content[4 : 4 + size])
    columns = np.frombuffer(content[4 + size :], "<f8", 3 * facts["n"]).reshape(3, -1)
    return run, facts, columns[0].astype(int), columns[2]


def test_a_short_stream_is_there_whole():
    rows = stream(900, [300, 600])
    run, facts, indices, values = message_of(chart_of(rows))
    assert (facts["first"], facts["end"]) == (0, 900)
    assert indices.tolist() == [*range(900)]
    assert (values == rows["value"]).all()
    assert [episode[0] for episode in run["episodes"]] == [300, 600]
    assert run["reasons"][1] == "spike"


def test_of_a_long_one_the_extremes_the_anomalies_and_all_around_the_most_unusual_episodes_are_there():
    rows = stream(50_000, range(500, 50_000, 1000))
    shown = chart_of(rows)
    _, facts, indices, values = message_of(shown)
    assert facts["end"] == 50_000
    assert set(np.flatnonzero(rows["is_anomaly"])) <= set(indices.tolist())
    assert values.min() == rows["value"].min()
    around = set(range(500 - chart.BEFORE, 500 + chart.AFTER))
    assert around <= set(indices.tolist()), "the rarest"
    assert len(indices) < 4 * chart.COLUMNS + chart.MOST_DETAILED
    assert len(shown.run) < 1_700_000
    assert "Of 16 neighbours" in shown.caption


def test_whatever_the_stream_the_page_stays_small():
    rows = stream(50_000)
    rows["is_anomaly"], rows["episode"], rows["reason"] = True, np.arange(1, 50_001), 1
    shown = chart_of(rows)
    run, _, indices, _ = message_of(shown)
    assert len(indices) < 4 * chart.COLUMNS + chart.MOST_DETAILED + 1000
    assert len(run["episodes"]) == chart.MOST_LISTED
    assert shown.listed == f"The newest {chart.MOST_LISTED} of 50,000."
    assert len(shown.run) < 2_000_000


def test_a_part_of_the_stream_is_told_as_such():
    assert "The newest 500 of 800 points." in page_of(stream(800), capacity=500)
    assert "All 800 points." in page_of(stream(800))


def test_no_name_ends_the_element_that_holds_the_points():
    rows = stream(100, [50])
    shown = chart_of(rows, marks=("</script><script>alert(1)</script>",))
    assert "<" not in shown.run
    assert message_of(shown)[0]["others"] == ["</script><script>alert(1)</script>"]


def test_unknown_numbers_and_extremes_of_all_kinds_are_carried():
    rows = np.zeros(5, VERDICT_DTYPE)
    rows["index"], rows["label"] = np.arange(5), -1
    for name in ("time", "score", "threshold", "p_value", "expected", "lower", "upper"):
        rows[name] = np.nan
    rows["value"] = [1e300, -1e300, np.nan, 5e-324, 0.0]
    _, facts, _, values = message_of(chart_of(rows))
    assert facts["time"] is None
    assert np.array_equal(values, rows["value"], equal_nan=True)
    assert re.search("No point was judged", page_of(stream(0)))

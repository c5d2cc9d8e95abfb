import html.parser
import os
import re
import shutil
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamforest import summary
from streamforest.episodes import EpisodeFold
from streamforest.history import History
from streamforest.metrics import RunCounts
from streamforest.plain import plain
from streamforest.protocols import STREAM_VERDICT_DTYPE, VERDICT_DTYPE
from streamforest.ranking import StreamRanking
from streamforest.stream_names import StreamNames, shown_key
from streamforest.summary import (
    Facts,
    RecentEpisodes,
    Section,
    _drawing,
    check_place,
    summary_page,
    tiles,
    write_summary,
)

EVIL = "\"><script>alert(1)</script><img src=x onerror=alert(2)> @tiles@ ' & $\\frac{ \ud800.csv"
MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CHROMIUM = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


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


def page_of(rows, *, capacity=50_000, further=(), most=1000, **facts):
    counts, history, episodes = RunCounts(0.001), History(capacity), RecentEpisodes(most=most)
    for sink in (counts.add, history.write, episodes.write):
        if len(rows):
            sink(rows)
    episodes.close()
    told = {
        "source": "pump.csv",
        "detector": "forest",
        "began": MOMENT,
        "ended": MOMENT,
        "ending": "all points judged",
        "command": "python main.py pump.csv",
        "settings": {"DELAY": "0.1"},
        "versions": "streamforest 1",
    }
    told.update(facts)

    def status():
        return counts.status(told["source"], "forest", ("forest",), 1)

    return summary_page(Facts(**told), counts, status, history, episodes, further)


class Reader(html.parser.HTMLParser):
    """The tags of a page, its text, and all that it would load."""

    VOID = frozenset({"meta", "link", "img", "source", "circle", "rect", "path"})

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


def test_the_page_tells_figures_episodes_settings_versions_and_the_command():
    page = page_of(stream(500, [200, 400], labels=True))
    read = Reader(page)
    text = " ".join(" ".join(read.words).split())
    for part in ("points 500", "episodes 2", "recall 1.000", "DELAY 0.1", "streamforest 1", "python main.py pump.csv"):
        assert part in text
    assert "1 2023-11-15T01:33:20Z 2023-11-15T01:33:20Z 1 60" in text
    assert re.search(r"spike 2 2 100 %", text)
    assert read.open == []


def test_the_page_loads_nothing_and_runs_nothing():
    read = Reader(page_of(stream(500, [200])))
    assert read.loads
    assert all(address.startswith("data:") for address in read.loads)
    assert "script" not in read.tags
    assert "default-src 'none'" in page_of(stream(0))


def test_names_from_outside_are_shown_as_they_are_and_do_nothing():
    page = page_of(
        stream(500, [200]), source=EVIL, detector=EVIL, ending=EVIL, command=EVIL, settings={EVIL: EVIL}, versions=EVIL
    )
    read = Reader(page)
    assert not {"script"} & set(read.tags)
    assert read.tags.count("img") == len(summary.THEMES)
    assert (
        sum(plain(EVIL) in text for text in read.words) == 7
    )  # title, heading, line below, command, settings, versions


@given(st.text(max_size=200))
@settings(max_examples=30, deadline=None)
def test_any_name_is_read_back_from_the_heading(name):
    read = Reader(page_of(stream(0), source=name))
    heading = "".join(read.words).partition("summary of a run\n")[2]
    assert heading.startswith(plain(name))


def test_the_newest_episodes_are_kept_and_what_is_left_out_is_told():
    rows = stream(3000, range(10, 3000, 20))
    page = page_of(rows, most=30)
    text = " ".join(Reader(page).words)
    assert "The newest 30 of 150." in text
    body = page.partition("<h2>Episodes</h2>")[2]
    assert re.findall(r"<tr><td class=n>(\d+)</td>", body) == [str(number) for number in range(121, 151)]


@given(cuts=st.sets(st.integers(1, 299)))
def test_episodes_are_the_same_however_the_stream_is_cut(cuts):
    rows = stream(300, [20, 60, 61, 299])
    rows["episode"][61] = rows["episode"][60]
    kept = RecentEpisodes(most=2)
    for block in np.split(rows, sorted(cuts)):
        kept.write(block)
    kept.close()
    fold = EpisodeFold()
    wanted = [episode for happening, episode in [*fold.add(rows), *fold.finish()] if happening == "end"]
    assert kept.kept == wanted[-2:]
    assert kept.ended == len(wanted) == 3


def test_a_part_of_the_stream_is_told_as_such():
    assert "The newest 500 of 800 points" in page_of(stream(800), capacity=500)
    assert "All 800 points" in page_of(stream(800))


def test_the_most_unusual_episodes_have_a_drawing_each_as_far_as_they_are_kept():
    page = page_of(stream(3000, range(10, 3000, 100)), capacity=1000)
    drawn = re.findall(r"<h3>spike<span>episode (\d+)</span></h3><svg", page)
    assert drawn == ["21", "22", "23", "24", "25", "26"]  # the p-values of the test grow with the number


def test_one_more_section_stands_behind_the_episodes():
    page = page_of(stream(300, [100]), further=[Section("A < B", "<p>agreement</p>")])
    assert "<h2>A &lt; B</h2>\n<p>agreement</p>" in page
    assert page.index("<h2>Episodes</h2>") < page.index("agreement") < page.index("Run it again")


@pytest.mark.parametrize("n", [0, 1, 3, 30])
def test_a_short_run_has_a_page_too(n):
    page = page_of(stream(n, times=False))
    assert Reader(page).open == []
    assert ("No point was judged." in page) == (n == 0)


@given(
    st.lists(st.floats() | st.sampled_from([1e308, -1e308]), min_size=1, max_size=30),
    st.integers(0, 29),
)
@settings(deadline=None)
def test_a_drawing_stays_inside_its_frame_whatever_the_numbers(values, place):
    rows = stream(len(values), [min(place, len(values) - 1)])
    rows["value"] = values
    rows["lower"], rows["upper"] = -np.inf, np.inf
    fold = EpisodeFold()
    ((_, episode),) = fold.add(rows)[:1]
    drawing = _drawing(rows, episode)
    assert "nan" not in drawing
    assert "inf" not in drawing
    for x, y in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", drawing):
        assert 0 <= float(x) <= 320
        assert 0 <= float(y) <= 110


def test_a_gap_in_the_values_is_a_gap_in_the_line():
    rows = stream(50, [25])
    rows["value"][10] = np.nan
    ((_, episode),) = EpisodeFold().add(rows)[:1]
    line = re.search(r'class="value" d="([^"]*)"', _drawing(rows, episode))[1]
    assert line.count("M") == 2


def test_the_page_is_there_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "page.html"
    path.write_text("old", encoding="utf-8")

    def fail(_file):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="No space left"):
            write_summary(path, "new")
    assert path.read_text(encoding="utf-8") == "old"
    write_summary(path, "new \ud800")
    assert path.read_text(encoding="utf-8") == "new \\ud800"
    assert [found.name for found in tmp_path.iterdir()] == ["page.html"]


def test_a_place_where_no_page_can_be_written_is_known_beforehand(tmp_path):
    check_place(tmp_path / "page.html")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OSError, match="folder"):
        check_place(tmp_path)
    with pytest.raises(OSError, match="No such file"):
        check_place(tmp_path / "gone" / "page.html")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 800)])
def test_it_fits_a_phone_and_a_desktop_in_both_themes_and_asks_for_nothing(tmp_path, scheme, width, height):
    driver = pytest.importorskip("playwright.sync_api", reason="needs playwright: python -m pip install playwright")
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("needs chromium: apt install chromium")
    write_summary(tmp_path / "page.html", page_of(stream(3000, range(10, 3000, 100), labels=True), source=EVIL))
    faults, loaded = [], []
    with (
        driver.sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=program, args=CHROMIUM) as browser,
        browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme) as context,
    ):
        page = context.new_page()
        page.on("console", lambda line: faults.append(line.text))
        page.on("dialog", lambda dialog: faults.append(dialog.message))
        page.on("request", lambda request: loaded.append(request.url.partition(":")[0]))
        page.goto((tmp_path / "page.html").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("document.querySelector('img').naturalWidth") > 900
        seen = "[...document.querySelectorAll('picture')].filter((one) => one.firstElementChild.nextElementSibling"
        seen += ".getClientRects().length).map((one) => one.className).join()"
        assert page.evaluate(seen) == scheme
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert colour == {"light": "rgb(255, 255, 255)", "dark": "rgb(18, 22, 28)"}[scheme]
        page.emulate_media(media="print")
        assert page.evaluate(seen) == "light"
        assert summary.THEMES[scheme].page == {"light": "#ffffff", "dark": "#12161c"}[scheme]
    assert faults == []
    assert set(loaded) <= {"file", "data"}


def test_of_many_streams_the_page_has_the_ranking_the_keys_and_their_number():
    names = StreamNames()
    evil, calm = names.numbers_of([EVIL, "calm one"])
    ranking, counts, episodes = StreamRanking(names), RunCounts(0.001, names=names), RecentEpisodes(names=names)
    for number, anomalies in ((evil, (20, 35)), (calm, ())):
        alone = stream(40, anomalies)
        rows = np.zeros(40, STREAM_VERDICT_DTYPE)
        for name in VERDICT_DTYPE.names:
            rows[name] = alone[name]
        rows["stream"] = number
        for sink in (counts.add, ranking.write, episodes.write):
            sink(rows)
    episodes.close()
    facts = Facts("pumps.csv", "forest", MOMENT, MOMENT, "all points judged", "python main.py", {}, "streamforest 1")
    page = summary_page(facts, counts, lambda: counts.status("pumps.csv", "forest", ("forest",), 1), ranking, episodes)
    reader = Reader(page)
    assert reader.open == []
    assert "script" not in reader.tags
    words = " ".join(reader.words)
    assert "The worst streams" in words
    assert words.count(shown_key(EVIL)) == 3, "once in the ranking, once at each of its episodes"
    assert "calm one" not in words
    assert {("streams", "2"), ("episodes", "2")} <= set(tiles(counts))
    assert all(load.startswith("data:") for load in reader.loads)


def test_of_many_streams_without_a_point_there_is_no_picture():
    names = StreamNames()
    counts = RunCounts(0.001, names=names)
    facts = Facts("pumps.csv", "forest", MOMENT, MOMENT, "failed", "python main.py", {}, "streamforest 1")
    status = lambda: counts.status("pumps.csv", "forest", ("forest",), 1)  # noqa: E731
    page = summary_page(facts, counts, status, StreamRanking(names), RecentEpisodes(names=names))
    assert "No point was judged" in page

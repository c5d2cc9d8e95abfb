import os
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest

from streamforest.figures.themes import THEMES
from streamforest.program.summary.markup import Section
from streamforest.program.summary.page import Facts, check_place, summary_page, write_summary
from streamforest.program.summary.tables import tiles
from streamforest.protocols import STREAM_VERDICT_DTYPE, VERDICT_DTYPE
from streamforest.stream_names import StreamNames, shown_key
from streamforest.text import escaped
from streamforest.verdicts.counts import RunCounts
from streamforest.verdicts.ranking import StreamRanking
from streamforest.verdicts.recent_episodes import RecentEpisodes
from tests.pages import EVIL, MOMENT, Reader, page_of, stream

CHROMIUM = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


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
    assert read.tags.count("img") == len(THEMES)
    assert (
        sum(escaped(EVIL) in text for text in read.words) == 7
    )  # title, heading, line below, command, settings, versions


def test_one_more_section_stands_behind_the_episodes():
    page = page_of(stream(300, [100]), further=[Section("A < B", "<p>agreement</p>")])
    assert re.search(r'<h2>A &lt; B</h2>\s*<p class="note">&lt;p&gt;agreement&lt;/p&gt;</p>', page)
    assert page.index("<h2>Episodes</h2>") < page.index("agreement") < page.index("Run it again")


@pytest.mark.parametrize("n", [0, 1, 3, 30])
def test_a_short_run_has_a_page_too(n):
    page = page_of(stream(n, times=False))
    assert Reader(page).open == []
    assert ("No point was judged." in page) == (n == 0)


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


@pytest.fixture(scope="module")
def sharp_page(tmp_path_factory):
    """A page with pictures as users get them."""
    path = tmp_path_factory.mktemp("page") / "page.html"
    rows = stream(3000, range(10, 3000, 100), labels=True)
    write_summary(path, page_of(rows, source=EVIL, is_sharp=True))
    return path


@pytest.fixture(scope="module")
def chromium():
    driver = pytest.importorskip("playwright.sync_api", reason="needs playwright: python -m pip install playwright")
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("needs chromium: apt install chromium")
    with (
        driver.sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=program, args=CHROMIUM) as browser,
    ):
        yield browser


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 800)])
def test_it_fits_a_phone_and_a_desktop_in_both_themes_and_asks_for_nothing(chromium, sharp_page, scheme, width, height):
    faults, loaded = [], []
    with chromium.new_context(viewport={"width": width, "height": height}, color_scheme=scheme) as context:
        page = context.new_page()
        page.on("console", lambda line: faults.append(line.text))
        page.on("dialog", lambda dialog: faults.append(dialog.message))
        page.on("request", lambda request: loaded.append(request.url.partition(":")[0]))
        page.goto(sharp_page.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("document.querySelector('img').naturalWidth") > 900
        seen = "[...document.querySelectorAll('picture')].filter((one) => one.firstElementChild.nextElementSibling"
        seen += ".getClientRects().length).map((one) => one.className).join()"
        assert page.evaluate(seen) == scheme
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert colour == {"light": "rgb(255, 255, 255)", "dark": "rgb(18, 22, 28)"}[scheme]
        page.emulate_media(media="print")
        assert page.evaluate(seen) == "light"
        assert THEMES[scheme].page == {"light": "#ffffff", "dark": "#12161c"}[scheme]
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
    facts = replace(facts, understood="value 'temp' in <K>")
    page = summary_page(facts, counts, lambda: counts.status("pumps.csv", "forest", ("forest",), 1), ranking, episodes)
    reader = Reader(page)
    assert reader.open == []
    assert "script" not in reader.tags
    words = " ".join(reader.words)
    assert "The worst streams" in words
    assert words.count(shown_key(EVIL)) == 3, "once in the ranking, once at each of its episodes"
    assert "calm one" not in words
    assert "value 'temp' in <K>" in words
    assert {("streams", "2"), ("episodes", "2")} <= set(tiles(counts))
    assert all(load.startswith("data:") for load in reader.loads)


def test_of_many_streams_without_a_point_there_is_no_picture():
    names = StreamNames()
    counts = RunCounts(0.001, names=names)
    facts = Facts("pumps.csv", "forest", MOMENT, MOMENT, "failed", "python main.py", {}, "streamforest 1")
    status = lambda: counts.status("pumps.csv", "forest", ("forest",), 1)  # noqa: E731
    page = summary_page(facts, counts, status, StreamRanking(names), RecentEpisodes(names=names))
    assert "No point was judged" in page

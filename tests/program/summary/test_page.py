import os
import re
import shutil
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

from streamforest.program.summary.markup import Section
from streamforest.program.summary.page import Facts, check_place, summary_page, write_summary
from streamforest.program.summary.script import digest_of
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
    for part in (
        "points 500",
        "episodes 2",
        "events found 100 %",
        "DELAY 0.1",
        "streamforest 1",
        "python main.py pump.csv",
    ):
        assert part in text
    assert "1 2023-11-15T01:33:20Z 2023-11-15T01:33:20Z 1 60" in text
    assert re.search(r"spike 2 2 100 %", text)
    assert read.open == []


def test_the_page_loads_nothing_and_runs_its_own_script_alone():
    page = page_of(stream(500, [200]))
    read = Reader(page)
    assert read.loads
    assert all(address.startswith("data:") for address in read.loads)
    assert read.tags.count("script") == 2  # one of them holds the points
    assert "default-src 'none'" in page
    allowed = re.search(r"script-src '([^']+)'\"", page)[1]
    own = page.rpartition("<script>")[2].partition("</script>")[0]
    assert allowed == digest_of(own)
    assert "script" not in Reader(page_of(stream(0))).tags


def test_names_from_outside_are_shown_as_they_are_and_do_nothing():
    page = page_of(
        stream(500, [200]), source=EVIL, detector=EVIL, ending=EVIL, command=EVIL, settings={EVIL: EVIL}, versions=EVIL
    )
    read = Reader(page)
    assert read.tags.count("script") == 2
    assert read.tags.count("img") == 1
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


@contextmanager
def opened(path, width=1280, height=800, scheme="light", **more):
    """The page in a browser, from disk; what is wrong with it and what it asks for are in ``faults`` and ``loaded``."""
    driver = pytest.importorskip("playwright.sync_api", reason="needs playwright: python -m pip install playwright")
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("needs chromium: apt install chromium")
    with (
        driver.sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=program, args=CHROMIUM) as browser,
        browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, **more) as context,
    ):
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.faults, page.loaded = [], []
        # that the test reads the chart's pixels back is no fault of the page
        page.on("console", lambda line: "getImageData" in line.text or page.faults.append(line.text))
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.on("dialog", lambda dialog: page.faults.append(dialog.message))
        page.on("request", lambda request: page.loaded.append(request.url.partition(":")[0]))
        page.goto(path.as_uri())
        yield page
        assert page.faults == []
        assert set(page.loaded) <= {"file", "data"}


#: Share of the chart's pixels in a colour, given as [r, g, b].
SHARE = """(wanted) => { const canvas = document.querySelector('#values canvas');
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    let found = 0;
    for (let k = 0; k < data.length; k += 4) found += wanted.every((one, c) => Math.abs(data[k + c] - one) < 24);
    return found / (data.length / 4); }"""
VALUE = {"light": [0, 114, 178], "dark": [86, 180, 233]}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_chart_fits_every_screen_in_both_themes_and_nothing_is_asked_for(sharp_page, scheme):
    with opened(sharp_page, scheme=scheme) as page:
        for width, height in ((320, 640), (390, 844), (1280, 800), (3840, 2160)):
            page.set_viewport_size({"width": width, "height": height})
            page.wait_for_function(
                "(width) => { const [plot, box] = ['#values .uplot', '#values'].map((one) => "
                "document.querySelector(one)); return innerWidth === width && plot && "
                "plot.clientWidth === box.clientWidth; }",
                arg=width,
            )
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            page.wait_for_function(f"(wanted) => ({SHARE})(wanted) > 0.0005", arg=VALUE[scheme])
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert colour == {"light": "rgb(255, 255, 255)", "dark": "rgb(18, 22, 28)"}[scheme]
        assert not page.locator(".still").is_visible()
        page.emulate_media(media="print")
        assert page.locator(".still").is_visible()
        assert not page.locator("#chart").is_visible()


def test_the_chart_tells_the_point_under_the_pointer_zooms_and_goes_to_an_episode(sharp_page):
    with opened(sharp_page) as page:
        page.wait_for_function("document.querySelector('#values canvas')")
        whole, readout = page.locator("#whole"), page.locator("#readout")
        page.wait_for_function("document.querySelector('#whole').disabled")
        plot = page.locator("#values .u-over")
        plot.hover()
        page.wait_for_function("/score .*, threshold .*p /.test(document.querySelector('#readout').textContent)")
        page.mouse.wheel(0, -400)
        page.wait_for_function("!document.querySelector('#whole').disabled")
        rows = page.locator("#episodes tbody tr")
        assert rows.count() == 30
        rows.nth(3).click()
        page.wait_for_function("/spike/.test(document.querySelector('#readout').textContent)")
        assert rows.nth(3).get_attribute("aria-current") == "true"
        before = readout.inner_text()
        page.locator("#plots").focus()
        page.keyboard.press(",")
        page.wait_for_function("(before) => document.querySelector('#readout').textContent !== before", arg=before)
        assert rows.nth(4).get_attribute("aria-current") == "true"
        page.get_by_role("button", name="anomalous").click()
        page.wait_for_function(f"(wanted) => ({SHARE})(wanted) < 0.00001", arg=[213, 94, 0])
        whole.click()
        page.wait_for_function("document.querySelector('#whole').disabled")


def test_where_no_script_may_run_there_is_a_picture(sharp_page):
    with opened(sharp_page, java_script_enabled=False) as page:
        assert page.locator(".still").is_visible()
        assert not page.locator("#chart").is_visible()


def test_of_many_streams_the_page_has_the_ranking_the_keys_and_their_number():
    names = StreamNames()
    key = "".join(filter(str.isprintable, EVIL))  # one with half a character is refused
    evil, calm = names.numbers_of([key, "calm one"])
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
    assert words.count(shown_key(key)) == 3, "once in the ranking, once at each of its episodes"
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

import asyncio
import gc
import http.client
import io
import json
import re
import shutil
import socket
import subprocess
import threading
import time
import weakref
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.image import imread
from PIL import Image

from streamforest.figures.themes import THEMES
from streamforest.protocols import Status
from streamforest.terminal.actions import Actions
from streamforest.verdicts.history import History
from streamforest.views.access import PageAccess
from streamforest.views.browser import MOST_PIXELS, BrowserView, fitting_size
from streamforest.views.token_file import kept_token
from tests.servers import wait_until
from tests.visits import REPORT, SECONDS, SOURCE, Run

LIVE_VIEW = Path(__file__).parents[2] / "docs" / "live-view.md"
CHROMIUM = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SIZE = json.dumps({"size": [600, 400, 1]})


@given(st.floats(), st.floats(), st.floats())
def test_no_size_that_a_visitor_tells_makes_a_picture_too_large_or_flat(width, height, ratio):
    size = fitting_size(width, height, ratio)
    if size is not None:
        assert size[0] * size[1] * size[2] ** 2 <= 1.01 * MOST_PIXELS
        assert min(size[0] * size[2], size[1] * size[2]) >= 100


def test_a_phone_gets_a_picture_wide_enough_for_its_words():
    width, height, ratio = fitting_size(370, 480, 3)
    assert width >= 560
    assert width / height == pytest.approx(370 / 480, rel=0.01)
    assert width * ratio == pytest.approx(370 * 3, rel=0.01)


async def receive(link, kind):
    """The next message of a kind; the other kind is acknowledged meanwhile."""
    while True:
        message = await asyncio.wait_for(link.read_message(), SECONDS)
        assert message is not None, "the connection was closed"
        if isinstance(message, bytes) == (kind == "frame"):
            return message
        link.write_message(json.dumps({"ack": "status" if kind == "frame" else "frame"}))


async def is_silent(link):
    try:
        await asyncio.wait_for(link.read_message(), 0.6)
    except TimeoutError:
        return True
    return False


def test_a_visitor_that_does_not_read_holds_one_frame_and_slows_nobody(run):
    async def watch():
        async with run.visitor(SIZE) as idle, run.visitor(SIZE) as busy:
            for _ in range(6):
                await receive(busy, "frame")
                busy.write_message(json.dumps({"ack": "frame"}))
            return [type(await idle.read_message()) for _ in range(2)], await is_silent(idle)

    run.feed.set()
    kinds, is_all = asyncio.run(watch())
    assert sorted(kinds, key=str) == [bytes, str]
    assert is_all


def test_the_page_says_how_the_source_is_understood(run, monkeypatch):
    status = run.view._status
    monkeypatch.setattr(run.view, "_status", lambda: status()._replace(understood="value 'temp' in K"))

    async def look():
        async with run.visitor(SIZE) as link:
            return json.loads(await receive(link, "status"))

    assert asyncio.run(look())["understood"] == "value 'temp' in K"


def test_a_visitor_who_left_is_forgotten(run):
    async def visit():
        for _ in range(5):
            async with run.visitor(SIZE) as link:
                await receive(link, "frame")
                seen.extend(weakref.ref(visitor) for visitor in run.view.visitors)
            async with asyncio.timeout(SECONDS):
                while run.view.visitors:
                    await asyncio.sleep(0.01)

    seen = []
    asyncio.run(visit())
    wait_until(lambda: gc.collect() >= 0 and all(known() is None for known in seen))
    assert len(seen) >= 5


def test_nothing_is_drawn_while_nobody_looks(run, monkeypatch):
    drawn = []
    monkeypatch.setattr(run.view.figure, "refresh", lambda: drawn.append(1))
    run.feed.set()
    written = run.history.written
    wait_until(lambda: run.history.written > written + 30)
    assert drawn == []


@pytest.mark.parametrize(
    "message",
    [
        "",
        "no json",
        "[" * 4000,
        "5",
        '{"ask": "stop"}',
        '{"ask": "unwatch"}',
        '{"ask": "nothing known"}',
        '{"ask": "detector:of nobody"}',
        '{"ask": 5}',
        '{"size": [1e999, NaN, -1]}',
        f'{{"size": [{"9" * 3900}, 5, 5]}}',
        '{"size": [0, 0, 0]}',
        '{"click": [7, -1]}',
        '{"ack": "everything"}',
        '{"ack": ["frame"]}',
    ],
)
def test_a_message_that_makes_no_sense_does_nothing(run, message):
    async def say():
        async with run.visitor(message, SIZE) as link:
            await receive(link, "frame")

    asyncio.run(say())
    assert run.asked == []


def test_poll_returns_at_once_when_an_action_is_asked_for():
    actions = Actions()
    options = {"theme": "light", "notify": print, "access": PageAccess()}
    status = Status("s", "d", ("d",), 0, 0, 0, 0, 0, 0.0, 0.001, None, None, None, 1.0)
    watched = SimpleNamespace(memory=History(10), status=lambda: status, actions=actions, snapshot=Path, report=bytes)
    view = BrowserView(watched, **options)
    start = time.monotonic()
    view.poll(0.05)
    assert 0.04 < time.monotonic() - start < 2
    threading.Timer(0.05, actions.ask, ["snapshot"]).start()
    view.poll(SECONDS)
    assert time.monotonic() - start < SECONDS / 2
    assert actions.take() == ["snapshot"]
    view.close()
    view.close()
    view.poll(SECONDS)
    assert not view.is_open
    actions.close()


# For Prometheus


@pytest.fixture
def prometheus(tmp_path):
    """Start a real Prometheus with a configuration; gives a function that asks it for a number."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("needs prometheus: apt install prometheus")
    started = []

    def start(configuration):
        (tmp_path / "prometheus.yml").write_text(configuration, encoding="utf-8")
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        options = {"config.file": tmp_path / "prometheus.yml", "storage.tsdb.path": tmp_path / "tsdb"}
        options["web.listen-address"] = f"127.0.0.1:{port}"
        words = [program, *(f"--{name}={value}" for name, value in options.items())]
        log = (tmp_path / "prometheus.log").open("wb")
        with log:
            started.append(subprocess.Popen(words, cwd=tmp_path, stdout=log, stderr=log))

        def ask(name):
            link = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
            try:
                link.request("GET", f"/api/v1/query?query={name}")
                found = json.loads(link.getresponse().read())["data"]["result"]
            except (OSError, ValueError, KeyError):
                return None  # not ready yet
            finally:
                link.close()
            return float(found[0]["value"][1]) if found else None

        return ask

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_prometheus_reads_the_numbers_with_the_documented_configuration(tmp_path, prometheus):
    token = kept_token(tmp_path / "token", print)
    with Run(tmp_path, token_file=tmp_path / "token") as run:
        assert run.view.reading_token == token
        text = re.search(r"```yaml\n(scrape_configs:.*?)```", LIVE_VIEW.read_text(encoding="utf-8"), re.DOTALL)[1]
        for address, other in (
            ("127.0.0.1:8765", f"127.0.0.1:{run.view.port}"),
            ("/etc/prometheus/streamforest.token", str(tmp_path / "token")),
        ):
            assert address in text
            text = text.replace(address, other)
        ask = prometheus("global: {scrape_interval: 1s}\n" + text)
        wait_until(lambda: ask("streamforest_points_total") is not None)
        assert ask("streamforest_points_total") == 300
        assert ask("streamforest_threshold") == 0.6
        assert ask("up") == 1


# In a real browser


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


@contextmanager
def visit(chromium, run, width=1280, height=800, scheme=1, address=None):
    with chromium.new_context(viewport={"width": width, "height": height}, device_scale_factor=scheme) as context:
        page = context.new_page()
        page.set_default_timeout(1000 * SECONDS)
        page.faults = []
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.on("console", lambda line: page.faults.append(line.text) if line.type == "error" else None)
        page.on("dialog", lambda dialog: page.faults.append(dialog.message))
        page.goto(address or run.view.address)
        wait_until_true(page, "document.querySelector('canvas').width > 400")
        yield page


def shot(page):
    """Pixels of the figure as the visitor sees them."""
    return np.asarray(Image.open(io.BytesIO(page.locator("canvas").screenshot())).convert("RGB")).astype(int)


def share_of(pixels, colour):
    wanted = [int(colour[k : k + 2], 16) for k in (1, 3, 5)]
    return (np.abs(pixels - wanted).max(axis=-1) < 12).mean()


def wait_for(page, condition):
    """Wait until something is so, while the browser goes on."""
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        page.wait_for_timeout(20)


def wait_until_true(page, expression):
    """Wait until an expression of the page's script is true; Playwright's own way is one that the page forbids."""
    wait_for(page, lambda: page.evaluate(expression))


def test_the_page_shows_the_figure_and_it_moves(chromium, run):
    with visit(chromium, run) as page:
        wait_for(page, lambda: share_of(shot(page), THEMES["light"].value) > 0.001)
        first = shot(page)
        assert share_of(first, THEMES["light"].anomaly) > 0.0001
        run.feed.set()
        wait_for(page, lambda: (shot(page) != first).any(axis=-1).mean() > 0.005)
        assert page.locator("#source").inner_text() == SOURCE
        assert page.locator("#source img").count() == 0
        assert page.locator("#tiles dt").first.inner_text() == "points"
        points = page.locator("#tiles dd").first
        wait_for(page, lambda: int(points.inner_text().replace(",", "")) > 300)
        assert page.locator("#state").inner_text() == "live"
        assert page.faults == []


def test_the_drop_down_asks_for_the_detector_and_all_visitors_see_it(chromium, run):
    with visit(chromium, run) as one, visit(chromium, run) as other:
        one.get_by_label("detector").select_option("robust-z")
        wait_for(one, lambda: run.asked == ["detector:robust-z"])
        wait_until_true(other, "document.getElementById('detector').value === 'robust-z'")
        assert one.locator("#detector").input_value() == "robust-z"


def test_who_may_only_read_sees_the_detector_and_cannot_choose(chromium, run):
    reading = run.view.address.replace(run.token, run.view.reading_token)
    with visit(chromium, run, address=reading) as page:
        choice = page.get_by_label("detector")
        wait_for(page, lambda: choice.input_value() == run.detector)
        assert choice.is_visible()
        assert choice.is_disabled()
        assert not page.locator("#pause").is_visible()


def test_two_visitors_see_the_same(chromium, run):
    with visit(chromium, run) as one, visit(chromium, run) as other:
        run.feed.set()
        one.wait_for_timeout(300)
        one.keyboard.press("Space")
        for page in (one, other):
            wait_until_true(page, "document.getElementById('state').dataset.kind === 'paused'")
        wait_for(one, lambda: np.array_equal(shot(one), shot(other)))
        assert one.locator("#pause").inner_text() == other.locator("#pause").inner_text() == "Go on"


def test_the_links_give_the_report_and_a_picture(chromium, run, tmp_path):
    with visit(chromium, run) as page:
        for name, text in (("report", "Download CSV"), ("picture", "Download picture")):
            with page.expect_download() as download:
                page.get_by_role("link", name=text).click()
            download.value.save_as(tmp_path / "got" / name)
    assert (tmp_path / "got" / "report").read_bytes() == REPORT
    assert imread(tmp_path / "got" / "picture", format="png").shape[0] > 400


def test_q_asks_for_one_picture_and_each_key_for_its_action(chromium, run):
    with visit(chromium, run) as page:
        page.keyboard.press("q")
        keys = ("Space", "ArrowLeft", "ArrowRight", "+", "-", "g", "d", "r")
        for key in keys:
            page.keyboard.press(key)
        page.keyboard.press("h")
        assert page.get_by_role("dialog").is_visible()
        page.get_by_role("button", name="Close").click()
        assert not page.get_by_role("dialog").is_visible()
        page.keyboard.press("Control+g")
        page.keyboard.press("Escape")
        wanted = [
            "snapshot",
            "pause",
            "back",
            "forward",
            "wider",
            "narrower",
            "last-anomaly",
            "next-detector",
            "report",
        ]
        wait_for(page, lambda: len(run.asked) >= len(wanted))
        assert run.asked == wanted


def test_a_click_on_a_point_shows_its_numbers(chromium, run):
    with visit(chromium, run) as page:
        before = shot(page)
        box = page.locator("canvas").bounding_box()
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 3)
        wait_for(page, lambda: (shot(page) != before).any(axis=-1).mean() > 0.001)
        navigation = run.view.figure.navigation
        assert navigation.selected == pytest.approx((sum(navigation.view) - 1) / 2, abs=20)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_fits_a_phone_and_a_desktop_in_both_themes(chromium, tmp_path, theme):
    with Run(tmp_path, theme=theme) as run, visit(chromium, run, 390, 800, 2) as page:
        for width, height in ((390, 800), (1280, 800)):
            page.set_viewport_size({"width": width, "height": height})
            wait_until_true(
                page,
                "() => { const [c, m] = ['canvas', 'main'].map((name) => document.querySelector(name));"
                " return Math.abs(c.width / c.height / (m.clientWidth / m.clientHeight) - 1) < 0.02; }",
            )
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.evaluate("document.documentElement.scrollHeight") <= height
            assert share_of(shot(page), THEMES[theme].page) > 0.5


def test_the_end_of_the_run_is_told_and_the_last_picture_stays(chromium, run):
    with visit(chromium, run) as page:
        run.end()
        wait_until_true(page, "document.getElementById('state').textContent === 'ended'")
        assert "has ended" in page.locator("#notice").inner_text()
        assert share_of(shot(page), THEMES["light"].value) > 0.001
        assert page.get_by_role("button", name="Save picture").is_disabled()
        assert page.faults == []


def test_a_page_whose_run_was_replaced_says_so(chromium, run):
    with visit(chromium, run) as page:
        run.view.token = "of another run"
        run.do(run.lose_connections)
        wait_until_true(page, "document.getElementById('state').textContent === 'ended'")
        assert "open the address that its terminal shows" in page.locator("#notice").inner_text()


def test_a_lost_connection_is_told_and_taken_up_again(chromium, run):
    with visit(chromium, run) as page:
        run.do(run.lose_connections)
        wait_until_true(page, "document.getElementById('state').textContent === 'connection lost'")
        wait_until_true(page, "document.getElementById('state').textContent === 'live'")
        assert page.locator("#notice").is_hidden()
        assert len(run.view.visitors) == 1

import asyncio
import base64
import gc
import http.client
import importlib.util
import io
import json
import re
import shutil
import socket
import subprocess
import threading
import time
import weakref
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.image import imread
from PIL import Image

from streamforest.protocols import Honesty, RateGot, Status
from streamforest.terminal.actions import Actions
from streamforest.verdicts.history import History, Marks
from streamforest.views import visitor_chart
from streamforest.views.access import PageAccess
from streamforest.views.browser import BrowserView
from streamforest.views.token_file import kept_token
from streamforest.wording import number_text
from tests.firefox import PROGRAM, Firefox
from tests.pictures import ahead_of
from tests.servers import wait_until
from tests.sinks.test_episode_lines import incidents_found
from tests.views.test_chart_rows import taken_apart
from tests.visits import REPORT, SECONDS, SOURCE, Run, ranking

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
VIEW = json.dumps({"view": [1, None, 500, 600]})
VALUE, ANOMALY, LABEL, AHEAD = "#0072b2", "#d55e00", "#009e73", "#eff2f5"  # colours of the light page
EPISODE, LIMIT = "#fbe3d1", "#c98a00"
POINTS = 300  # of a run at first


def kind_of(message):
    return "chart" if isinstance(message, bytes) else json.loads(message)["kind"]


async def receive(link, kind):
    """The next message of a kind; others are acknowledged meanwhile."""
    while True:
        message = await asyncio.wait_for(link.read_message(), SECONDS)
        assert message is not None, "the connection was closed"
        if kind_of(message) == kind:
            return message
        await link.write_message(json.dumps({"ack": kind_of(message)}))


def test_a_visitor_that_does_not_read_holds_one_message_of_a_kind_and_slows_nobody(run):
    async def watch():
        async with run.visitor(VIEW) as idle, run.visitor(VIEW) as busy:
            for _ in range(6):
                await receive(busy, "chart")
                await busy.write_message(json.dumps({"ack": "chart"}))
            held = [kind_of(await idle.read_message()) for _ in range(3)]
            await idle.write_message(json.dumps({"ack": "status"}))
            return held, kind_of(await asyncio.wait_for(idle.read_message(), SECONDS))

    run.feed.set()
    held, after = asyncio.run(watch())
    assert sorted(held) == ["chart", "episodes", "status"]
    assert after == "status", "only what was acknowledged comes anew"


def test_the_page_says_how_the_source_is_understood(run, monkeypatch):
    status = run.view._status
    monkeypatch.setattr(run.view, "_status", lambda: status()._replace(understood="value 'temp' in K"))

    async def look():
        async with run.visitor(VIEW) as link:
            return json.loads(await receive(link, "status"))

    assert asyncio.run(look())["understood"] == "value 'temp' in K"


def test_a_visitor_who_left_is_forgotten(run):
    async def visit():
        for _ in range(5):
            async with run.visitor(VIEW) as link:
                await receive(link, "chart")
                seen.extend(weakref.ref(visitor) for visitor in run.view.visitors)
            async with asyncio.timeout(SECONDS):
                while run.view.visitors:
                    await asyncio.sleep(0.01)

    seen = []
    asyncio.run(visit())
    wait_until(lambda: gc.collect() >= 0 and all(known() is None for known in seen), SECONDS)
    assert len(seen) >= 5


def test_nothing_is_looked_at_while_nobody_looks(run, monkeypatch):
    looked = []
    monkeypatch.setattr(run.view._shown, "refresh", lambda: looked.append(1))
    run.feed.set()
    written = run.history.written
    wait_until(lambda: run.history.written > written + 30, SECONDS)
    assert looked == []


@pytest.mark.parametrize(
    "message",
    [
        "",
        "no json",
        "[" * 4000,
        "5",
        '{"ask": "stop"}',
        '{"ask": "unwatch"}',
        '{"ask": "pause"}',
        '{"ask": "nothing known"}',
        '{"ask": "detector:of nobody"}',
        '{"ask": 5}',
        '{"view": [1e999, NaN, -1, 5]}',
        f'{{"view": [{"9" * 3900}, 5, 5, 5]}}',
        '{"view": [0, 0, 0, 0]}',
        '{"view": [1, 9e15, 9e15, 9e15]}',
        '{"table": 5}',
        '{"stream": 5}',
        '{"ack": "everything"}',
        '{"ack": ["chart"]}',
    ],
)
def test_a_message_that_makes_no_sense_does_nothing(run, message):
    async def say():
        async with run.visitor(message, VIEW) as link:
            while not taken_apart(await receive(link, "chart"))[0]["n"]:
                await link.write_message(json.dumps({"ack": "chart"}))

    asyncio.run(say())
    assert run.asked == []


def test_poll_returns_at_once_when_an_action_is_asked_for():
    actions = Actions()
    options = {"theme": "light", "notify": print, "access": PageAccess()}
    status = Status("s", "d", ("d",), 0, 0, 0, 0, 0, 0.0, 0.001, None, None, None, 1.0)
    watched = SimpleNamespace(
        memory=History(10), status=lambda: status, actions=actions, snapshot=Path, report=bytes, case=bytes
    )
    view = BrowserView(watched, **options)
    start = time.monotonic()
    view.poll(0.05)
    assert time.monotonic() - start > 0.04
    view.command("pause")
    threading.Timer(0.05, actions.ask, ["snapshot"]).start()
    view.poll(SECONDS)
    assert time.monotonic() - start < SECONDS
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
        playwright.chromium.launch(executable_path=program, args=CHROMIUM, timeout=1000 * SECONDS) as browser,
    ):
        yield browser


@pytest.fixture(scope="module")
def any_page(chromium, tmp_path_factory):
    """A page whose scripts can be asked."""
    with Run(tmp_path_factory.mktemp("run")) as run, visit(chromium, run) as page:
        yield page


@pytest.fixture(autouse=True)
def no_link_is_slow(monkeypatch):
    """However busy the machine is: what is drawn would depend on it."""
    monkeypatch.setattr(visitor_chart, "SLOW", float("inf"))


@contextmanager
def visit(chromium, run, width=1280, height=800, *, address=None, wanted=POINTS, **options):
    size = {"width": width, "height": height}
    with chromium.new_context(viewport=size, **options) as context:
        page = context.new_page()
        page.set_default_timeout(1000 * SECONDS)
        page.faults = []
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.on("console", lambda line: page.faults.append(line.text) if line.type == "error" else None)
        page.on("dialog", lambda dialog: page.faults.append(dialog.message))
        page.goto(address or run.view.address, timeout=1000 * SECONDS)
        if wanted:
            wait_until_true(page, f"Number(document.getElementById('plots').dataset.points) >= {wanted}")
        yield page


def drawn(page, plot="values"):
    """Pixels of the stream's plot, or the score's: what is drawn, whatever lies over it."""
    return pixels_of(page.evaluate(f"document.querySelector('#{plot} canvas').toDataURL()"))


def pixels_of(address):
    """Red, green and blue of a picture in an address of its own."""
    picture = Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))
    return np.asarray(picture.convert("RGBA")).astype(int)[..., :3]


def is_colour(pixels, colour):
    wanted = [int(colour[k : k + 2], 16) for k in (1, 3, 5)]
    return np.abs(pixels - wanted).max(axis=-1) < 12


def wait_for(page, condition):
    """Wait until something is so, while the browser goes on."""
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        page.wait_for_timeout(20)


def wait_until_true(page, expression):
    """Wait until an expression of the page's script is true; Playwright's own way is one that the page forbids."""
    wait_for(page, lambda: page.evaluate(expression))


def in_view(page):
    """Stream indices of the first point in view and of the one behind the last."""
    found = re.findall(r"\d+", page.get_attribute("#seen", "href") or "0 0")
    return int(found[0]), int(found[1])


def width_of(page):
    first, end = in_view(page)
    return end - first


def box_of(page):
    """The area of the stream's plot on the page."""
    return page.locator("#values .u-over").bounding_box()


def test_the_stream_is_drawn_and_moves(chromium, run):
    with visit(chromium, run) as page:
        wait_for(page, lambda: is_colour(drawn(page), VALUE).mean() > 0.001)
        first = drawn(page)
        assert is_colour(first, ANOMALY).sum() > 50
        run.feed.set()
        wait_for(page, lambda: (drawn(page) != first).any(axis=-1).mean() > 0.005)
        assert page.locator("#source").inner_text() == SOURCE
        assert page.locator("#source img").count() == 0
        tile = page.locator("#tiles div", has_text=re.compile("^points\n?\\d")).locator("dd").first
        wait_for(page, lambda: int(tile.inner_text().replace(",", "")) > POINTS)
        assert (
            page.locator("#state").inner_text() in ("calm", "unusual")
            or "anomalous" in page.locator("#state").inner_text()
        )
        assert page.faults == []


def test_the_state_says_since_when_the_stream_is_anomalous_without_times_too(chromium, tmp_path):
    with Run(tmp_path, points=0) as run:
        run.rows["time"] = np.nan
        run.do(lambda: run.history.write(run.rows[: POINTS + 1]))
        with visit(chromium, run, wanted=POINTS + 1) as page:
            wait_for(page, lambda: page.locator("#state").inner_text() == f"anomalous since point\u00a0{POINTS}")


def test_the_pointer_reads_out_the_numbers_of_the_point_below_it(chromium, run):
    with visit(chromium, run) as page:
        page.keyboard.press("Space")
        first, end = in_view(page)
        box = box_of(page)
        for index in (100, 150, 222):
            x = box["x"] + (index + 0.5 - first) / (end - first) * box["width"]
            page.mouse.move(x, box["y"] + 50)
            row = run.rows[index]
            clock = time.strftime("%H:%M:%S", time.gmtime(row["time"]))
            text = page.locator("#readout")
            wait_for(page, lambda: clock in text.inner_text())  # noqa: B023 - at once
            assert f" {number_text(float(row['value']), 2.0)} " in text.inner_text()
            assert f"expected {row['expected']:.2f}".rstrip("0").rstrip(".") in text.inner_text()
            assert "\u00b1\u00a02 " in text.inner_text()
            assert f"score {row['score']:g}, threshold 0.6" in text.inner_text()
            assert ("spike" in text.inner_text()) == bool(row["is_anomaly"])


def test_the_wheel_zooms_around_the_pointer_a_drag_moves_and_a_double_click_goes_live(chromium, run):
    with visit(chromium, run) as page:
        box = box_of(page)
        x, y = box["x"] + 0.3 * box["width"], box["y"] + 100
        first, end = in_view(page)
        below = first + 0.3 * (end - first)
        page.mouse.move(x, y)
        page.mouse.wheel(0, -400)
        wait_for(page, lambda: width_of(page) < 0.6 * (end - first))
        left, right = in_view(page)
        assert left + 0.3 * (right - left) == pytest.approx(below, abs=3)
        assert page.locator("#pause").inner_text() == "Go live (+" + f"{POINTS - right})"
        page.mouse.down()
        page.mouse.move(x + 200, y, steps=4)
        page.mouse.up()
        far = pytest.approx(200 / box["width"] * (right - left), abs=2)
        wait_for(page, lambda: left - in_view(page)[0] == far)
        page.mouse.dblclick(x, y)
        wait_for(page, lambda: page.locator("#pause").inner_text() == "Pause")
        assert in_view(page)[1] >= POINTS
        run.feed.set()
        before = in_view(page)[1]
        wait_for(page, lambda: in_view(page)[1] > max(before, 400))
        assert page.faults == []


def test_two_fingers_zoom_and_one_moves(chromium, run):
    with visit(chromium, run, 390, 844, has_touch=True, device_scale_factor=2) as page:
        box = box_of(page)
        y, middle = box["y"] + 80, box["x"] + box["width"] / 2
        link = page.context.new_cdp_session(page)

        def touch(kind, *places):
            points = [{"x": x, "y": y, "id": k} for k, x in enumerate(places)]
            link.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

        width = width_of(page)
        touch("touchStart", middle - 20, middle + 20)
        for apart in (40, 60, 80):
            touch("touchMove", middle - apart, middle + apart)
        touch("touchEnd")
        wait_for(page, lambda: width_of(page) == pytest.approx(width / 4, abs=3))
        left = in_view(page)[0]
        touch("touchStart", middle)
        for by in (20, 40, 60):
            touch("touchMove", middle + by)
        touch("touchEnd")
        wait_for(page, lambda: in_view(page)[0] < left)
        assert page.faults == []


def test_the_keys_move_the_chart_as_in_the_window(chromium, run):
    with visit(chromium, run) as page:
        first, end = in_view(page)

        def press(key, condition):
            page.keyboard.press(key)
            wait_for(page, condition)

        press("+", lambda: width_of(page) == pytest.approx((end - first) / 2, abs=1))
        assert page.locator("#pause").inner_text() == "Pause", "it goes on with the newest points"
        press("-", lambda: width_of(page) == pytest.approx(end - first, abs=1))
        press("+", lambda: width_of(page) == pytest.approx((end - first) / 2, abs=1))
        press("Space", lambda: page.locator("#pause").get_attribute("aria-pressed") == "true")
        left = in_view(page)[0]
        press("ArrowLeft", lambda: in_view(page)[0] < left)
        left = in_view(page)[0]
        press("ArrowRight", lambda: in_view(page)[0] > left)
        press("Space", lambda: page.locator("#pause").get_attribute("aria-pressed") == "false")
        current = page.locator("#episodes tr[aria-current]")
        press("g", lambda: current.count() and current.get_attribute("data-start") == "200")
        press("g", lambda: current.get_attribute("data-start") == "100")
        press(",", lambda: current.get_attribute("data-start") == "0")
        press(".", lambda: current.get_attribute("data-start") == "100")
        press(".", lambda: current.get_attribute("data-start") == "200")
        press(".", lambda: page.locator("#notice").inner_text() == "There is no later alarm yet.")
        assert "spike" in page.locator("#readout").inner_text()
        press("e", lambda: not page.get_by_role("complementary").is_visible())
        press("e", lambda: page.get_by_role("complementary").is_visible())
        press("h", lambda: page.get_by_role("dialog").is_visible())
        press("h", lambda: not page.get_by_role("dialog").is_visible())
        assert run.asked == []
        assert page.faults == []


def test_what_was_saved_is_told_to_who_may_act_and_to_nobody_else(chromium, run):
    reading = run.view.address.replace(run.token, run.view.reading_token)
    with visit(chromium, run) as page, visit(chromium, run, address=reading) as other:
        page.evaluate(
            "const shown = document.getElementById('notice'); window.told = [];"
            "new MutationObserver(() => window.told.push(shown.textContent)).observe(shown, { childList: true });"
        )
        page.keyboard.press("q")
        wait_for(page, lambda: run.asked == ["snapshot"])
        for run.notice in ("picture saved: pictures/one.png", "report written: two.csv"):
            wait_until_true(page, f"window.told.includes('{run.notice}')")
        assert not other.locator("#notice").is_visible()
        assert page.faults == other.faults == []


def test_what_was_said_before_the_page_was_there_is_told_to_nobody(chromium, tmp_path):
    run = Run(tmp_path, points=POINTS)
    run.notice = "page: http://127.0.0.1:1/?token=secret"
    with run, visit(chromium, run) as page:
        tile = page.locator("#tiles dd").nth(1)
        wait_for(page, lambda: tile.inner_text() == f"{POINTS}")
        assert page.locator("#notice").inner_text() == ""


def test_what_is_asked_of_the_run_is_asked_once_by_who_may_act(chromium, run):
    with visit(chromium, run) as page:
        for key in ("q", "d", "r", "Control+r", "Escape"):
            if key != "Control+r":
                page.keyboard.press(key)
        wait_for(page, lambda: len(run.asked) >= 3)
        page.get_by_text("Save", exact=True).click()
        page.get_by_role("button", name="Report, where the run is").click()
        wait_for(page, lambda: len(run.asked) >= 4)
        assert run.asked == ["snapshot", "next-detector", "report", "report"]


def test_who_may_only_look_sees_only_what_he_can_do(chromium, run):
    reading = run.view.address.replace(run.token, run.view.reading_token)
    with visit(chromium, run, address=reading) as page:
        wait_for(page, lambda: page.locator("#judge").inner_text() == run.detector)
        assert not page.locator("#detector").is_visible()
        page.get_by_text("Save", exact=True).click()
        assert page.locator("#downloads li:visible").count() == 5
        page.get_by_text("Save", exact=True).click()
        page.keyboard.press("h")
        keys = page.locator("dialog dt:visible").all_inner_texts()
        assert "+ \u2212" in keys
        assert not {"q", "d", "r"} & set(keys)
        page.keyboard.press("h")
        width = width_of(page)
        for key in ("q", "d", "r", "+"):
            page.keyboard.press(key)
        wait_for(page, lambda: width_of(page) < width)
        assert page.locator("#notice").is_hidden()
        assert run.asked == []


def test_the_drop_down_asks_for_the_detector_and_says_when_it_judges(chromium, run):
    with visit(chromium, run) as one, visit(chromium, run) as other:
        one.get_by_label("detector").select_option("robust-z")
        wait_for(one, lambda: run.asked == ["detector:robust-z"])
        wait_for(one, lambda: one.locator("#notice").inner_text() == "robust-z judges now.")
        wait_until_true(other, "document.getElementById('detector').value === 'robust-z'")


def test_each_visitor_has_a_view_of_his_own(chromium, run):
    with visit(chromium, run) as one, visit(chromium, run, 900, 700) as other:
        before = in_view(other)
        one.keyboard.press("+")
        one.keyboard.press("Space")
        wait_for(one, lambda: one.locator("#pause").inner_text() != "Pause")
        run.feed.set()
        wait_for(other, lambda: in_view(other)[1] > before[1])
        assert other.locator("#pause").inner_text() == "Pause"
        wait_for(one, lambda: re.fullmatch(r"Go live \(\+[\d,]+\)", one.locator("#pause").inner_text()))
        assert in_view(one)[1] <= POINTS + 1


def test_one_wild_value_does_not_flatten_the_rest(chromium, tmp_path):
    with Run(tmp_path, points=0) as run:
        run.rows["value"][150] = 1e6
        run.do(lambda: run.history.write(run.rows[:POINTS]))
        with visit(chromium, run) as page:
            wait_for(page, lambda: is_colour(drawn(page), VALUE).mean() > 0.001)
            pixels = drawn(page)
            rows = np.flatnonzero(is_colour(pixels, VALUE).sum(axis=1) > 5)
            assert np.ptp(rows) > 0.4 * len(pixels)
            assert is_colour(pixels[:30], VALUE).sum() > 20, "an arrow and the number mark what is outside"


HEARD = """() => {
    window.said = [];
    const write = CanvasRenderingContext2D.prototype.fillText;
    CanvasRenderingContext2D.prototype.fillText = function (text, ...place) {
        window.said.push(text);
        write.call(this, text, ...place);
    };
}"""


def reasons_in(page):
    """Reasons in the chart once it is drawn anew, for another width."""
    page.evaluate("said.length = 0")
    page.set_viewport_size({"width": 1279 + page.viewport_size["width"] % 2, "height": 800})
    wait_until_true(page, "said.length > 5")
    return {text for text in page.evaluate("said") if "expected" in text}


def test_the_peak_of_the_newest_alarm_says_why_in_the_chart_where_it_covers_nothing(chromium, run):
    rows = run.rows[POINTS : POINTS + 100]
    for offset, value, reason in ((50, 60.0, 1), (51, 45.0, 1), (52, -40.0, 2)):
        row = rows[offset : offset + 1]
        row["is_anomaly"], row["episode"], row["reason"], row["value"] = True, 900, reason, value
        row["score"], row["p_value"] = 0.9 if offset == 50 else 0.7, 1e-5
    wild = run.rows[POINTS + 100 : POINTS + 500]
    wild["value"] = np.where(wild["is_anomaly"], 30.0, 20 + 80 * (-1.0) ** wild["index"])
    with visit(chromium, run) as page:
        page.evaluate(HEARD)
        run.do(lambda: run.history.write(rows))
        wait_for(page, lambda: [text[:19] for text in reasons_in(page)] == ["spike: 60, expected"])
        run.do(lambda: run.history.write(wild))
        wait_for(page, lambda: not reasons_in(page))
        assert page.faults == []


def test_a_stream_that_has_ended_is_said_to_have_and_can_still_be_looked_at(chromium, run, monkeypatch):
    status = run.view._status
    with visit(chromium, run) as page:
        monkeypatch.setattr(run.view, "_status", lambda: status()._replace(has_ended=True))
        wait_until_true(page, "document.getElementById('state').textContent === 'the stream has ended'")
        assert page.locator("[data-ask=snapshot]").is_enabled()
        assert page.locator("#episodes tr[data-open]").count() == 0
        page.keyboard.press("g")
        wait_for(page, lambda: page.locator("#pause").inner_text() != "Pause")
        assert page.faults == []


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ("full(31253.74)", "31,254"),
        ("full(41.237812, 6.8312)", "41.24"),
        ("full(1234567890123)", "1.2346e12"),
        ("full(0)", "0"),
        ("brief(21613.2)", "21,600"),
        ("full(-0.5)", "\N{MINUS SIGN}0.5"),
        ("full(1e-7)", "1e\N{MINUS SIGN}7"),
        ("full(null)", "\N{EN DASH}"),
        ("expected(31253.74, 21600)", "31,254\u00a0\N{PLUS-MINUS SIGN}\u00a021,600"),
        ("expected(0.5, null)", "0.5"),
        ("percent(0.00123)", "0.123 %"),
        ("tick(12.5, 2.5)", "12.5"),
        ("tick(-500, 500)", "\N{MINUS SIGN}500"),
        ("place(null, 1234)", "point\N{NO-BREAK SPACE}1,234"),
        ("place(1700000000, 0)", "2023-11-14 22:13:20"),
    ],
)
def test_a_number_has_the_same_notation_everywhere(any_page, call, text):
    assert any_page.evaluate(f"import('./numbers.js').then((numbers) => numbers.{call})") == text


@pytest.mark.parametrize(
    ("values", "lower", "upper", "least", "greatest"),
    [
        ("[1, 2, 3, 2, 1e9]", "[]", "[]", 1, 3),
        ("[1, 2, null, 3, 2, -1e9]", "[0.5, null]", "[3.2]", 0.5, 3.2),
        ("[1, 2, 3]", "[-50]", "[50]", 0, 4),
        ("[1, 2, 3, 2, 9]", "[]", "[]", 1, 9),
        ("[0, 0, 0, 5, 0, 5]", "[]", "[]", 0, 5),
        ("[7]", "[]", "[]", 7, 7),
        ("[3, 3, 3]", "[1]", "[4]", 1, 4),
    ],
)
def test_the_axis_holds_what_is_usual(any_page, values, lower, upper, least, greatest):
    asked = f"import('./points.js').then((points) => points.usualRange({values}, {lower}, {upper}))"
    assert any_page.evaluate(asked) == [least, greatest]


def test_labels_and_what_detectors_that_judge_along_mark_are_shown(chromium, tmp_path):
    with Run(tmp_path, points=0) as run:
        run.rows["label"][120:140] = 2
        run.rows["label"][POINTS : POINTS + 2] = 2  # a pair is ringed, a stretch is not
        run.history.marks = Marks(5000, ["z-score"])
        flags = np.zeros((1, POINTS + 10), bool)
        flags[0, POINTS] = True
        run.do(lambda: (run.history.marks.write(0, flags), run.history.write(run.rows[:POINTS])))
        with visit(chromium, run) as page:
            wait_for(page, lambda: is_colour(drawn(page)[-20:], LABEL).sum() > 30)
            assert is_colour(drawn(page)[:-20], LABEL).sum() == 0
            run.do(lambda: run.history.write(run.rows[POINTS : POINTS + 10]))
            wait_for(page, lambda: is_colour(drawn(page)[:-20], LABEL).sum() > 30)
            page.keyboard.press("g")
            wait_for(page, lambda: "marked by z-score" in page.locator("#readout").inner_text())
            assert page.faults == []


def test_the_layers_can_be_switched_off(chromium, run):
    with visit(chromium, run) as page:
        wait_for(page, lambda: is_colour(drawn(page), VALUE).mean() > 0.001)
        page.get_by_role("button", name="value").click()
        wait_for(page, lambda: is_colour(drawn(page), VALUE).sum() == 0)
        page.get_by_role("button", name="anomalous", exact=True).click()
        wait_for(page, lambda: is_colour(drawn(page), ANOMALY).sum() == 0)
        assert is_colour(drawn(page), EPISODE).sum() > 100
        page.get_by_role("button", name="episode", exact=True).click()
        wait_for(page, lambda: is_colour(drawn(page), EPISODE).sum() == 0)
        assert is_colour(drawn(page, "scores"), LIMIT).sum() > 100
        page.get_by_role("button", name="threshold").click()
        wait_for(page, lambda: is_colour(drawn(page, "scores"), LIMIT).sum() == 0)
        height = box_of(page)["height"]
        page.get_by_role("button", name="score").click()
        wait_for(page, lambda: box_of(page)["height"] > height + 50)
        assert page.faults == []


def test_the_page_says_so_where_there_is_no_forecast(chromium, run):
    with visit(chromium, run) as page:
        run.feed.set()
        page.keyboard.press("f")
        wait_for(page, lambda: "No forecast now" in page.locator("#notice").inner_text())


def test_what_is_expected_next_is_drawn_behind_the_newest_point_when_it_is_asked_for(chromium, run):
    run.history.ahead = lambda steps: ahead_of(run.history, steps)
    with visit(chromium, run) as page:

        def right(colour):
            """Pixels of a colour in the right eighth of the plot."""
            image, eighth = drawn(page)[:, :-64], int(box_of(page)["width"] / 8)  # beside it is its newest number
            return is_colour(image[:, -eighth:], colour).sum()

        wait_for(page, lambda: right(VALUE) > 20)
        button = page.get_by_role("button", name="forecast")
        assert button.get_attribute("aria-pressed") == "false", "it is off at first"
        page.keyboard.press("f")
        wait_for(page, lambda: button.get_attribute("aria-pressed") == "true")
        wait_for(page, lambda: right(VALUE) == 0 and right(AHEAD) > 1000)
        run.history.write(run.rows[run.history.end : run.history.end + 40])
        page.keyboard.press("f")
        wait_for(page, lambda: right(VALUE) > 20)
        assert "forecast" not in page.locator("#notice").inner_text()
        assert page.faults == []


def test_the_alarms_are_a_table_a_click_goes_there_and_a_new_one_is_read_out(chromium, run):
    with visit(chromium, run) as page:
        table = page.get_by_role("table")
        assert table.get_by_role("columnheader").all_inner_texts() == ["time", "what is unusual", "points"]
        rows = page.locator("#episodes tbody tr")
        wait_for(page, lambda: rows.count() == 3)
        assert "spike" in rows.first.inner_text()
        assert f"{number_text(float(run.rows['value'][200]), 2.0)}, expected" in rows.first.inner_text()
        rows.nth(2).get_by_role("button").click()
        wait_for(page, lambda: in_view(page)[0] == 0)
        assert rows.nth(2).get_attribute("aria-current") == "true"
        assert page.locator("#news").inner_text() == "" or "spike" not in page.locator("#news").inner_text()
        run.feed.set()
        wait_for(page, lambda: page.locator("#news").inner_text().startswith("Alarm: spike: "))
        wait_for(page, lambda: rows.count() > 3)
        assert page.faults == []


def test_what_is_seen_all_anomalies_and_a_picture_can_be_kept(chromium, run, tmp_path):
    with visit(chromium, run) as page:
        page.keyboard.press("g")
        wait_for(page, lambda: page.locator("#pause").get_attribute("aria-pressed") == "true")
        first, end = in_view(page)
        assert page.get_attribute("#case", "href") == "case.zip?at=200", "the alarm that is chosen"
        for name, text in (
            ("case", "Case of the newest alarm in view, zip"),
            ("seen", "What is seen, CSV"),
            ("report", "All anomalies, CSV"),
            ("json", "All anomalies, JSON"),
            ("picture", "Picture of what is seen, PNG"),
        ):
            page.get_by_text("Save", exact=True).click()
            with page.expect_download() as download:
                page.get_by_role("link", name=text).click()
            download.value.save_as(tmp_path / "got" / name)
    indices = [int(line.split(",")[0]) for line in (tmp_path / "got" / "seen").read_text().splitlines()[1:]]
    assert indices == list(range(first, min(end, POINTS)))
    assert (tmp_path / "got" / "report").read_bytes() == REPORT
    assert (tmp_path / "got" / "case").read_bytes() == b"case of 200"
    assert json.loads((tmp_path / "got" / "json").read_bytes()) == [{"index": 0, "time": None}]
    assert imread(tmp_path / "got" / "picture", format="png").shape[0] > 400


def test_it_fits_a_phone_and_a_large_screen(chromium, run):
    with visit(chromium, run, 320, 640, wanted=1) as page:
        for width, height in ((320, 640), (390, 844), (1280, 800), (3840, 2160)):
            page.set_viewport_size({"width": width, "height": height})
            wait_until_true(
                page,
                "() => { const [plot, box] = ['#values .uplot', '#values'].map((one) => document.querySelector(one));"
                f" return innerWidth === {width} && plot && plot.clientWidth === box.clientWidth; }}",
            )
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            if width > 760:
                assert page.evaluate("document.documentElement.scrollHeight") <= height


def test_the_page_has_the_colours_of_the_system_and_is_dark_with_a_dark_theme(chromium, run):
    with visit(chromium, run) as page:
        for scheme, theme, colour in (
            ("light", "light", "rgb(255, 255, 255)"),
            ("dark", "light", "rgb(18, 22, 28)"),
            ("light", "dark", "rgb(18, 22, 28)"),
        ):
            page.emulate_media(color_scheme=scheme)
            wanted = "all" if theme == "dark" else "(prefers-color-scheme: dark)"
            page.evaluate(f"document.querySelector('link[href=\"dark.css\"]').media = '{wanted}'")
            wait_until_true(page, f"getComputedStyle(document.body).backgroundColor === '{colour}'")
            value = "#0072b2" if scheme == theme == "light" else "#56b4e9"
            if theme == "light":  # the theme of a run does not change while a page is open
                wait_for(page, lambda: is_colour(drawn(page), value).mean() > 0.001)  # noqa: B023 - at once


def test_the_end_of_the_run_is_told_and_what_was_seen_stays(chromium, run):
    with visit(chromium, run) as page:
        run.end()
        wait_until_true(page, "document.getElementById('state').textContent === 'ended'")
        assert "has ended" in page.locator("#notice").inner_text()
        assert is_colour(drawn(page), VALUE).mean() > 0.001
        assert page.locator("[data-ask=snapshot]").is_disabled()
        page.keyboard.press("+")
        assert page.faults == []


def test_a_page_whose_run_was_replaced_says_so(chromium, run):
    with visit(chromium, run) as page:
        run.view.token = "of another run"
        run.do(run.lose_connections)
        wait_until_true(page, "document.getElementById('state').textContent === 'ended'")
        assert "open the address that its terminal shows" in page.locator("#notice").inner_text()


def test_a_lost_connection_is_told_and_what_was_missed_is_there_afterwards(chromium, run):
    with visit(chromium, run) as page:
        run.do(lambda: (run.lose_connections(), run.history.write(run.rows[POINTS : POINTS + 150])))
        wait_for(page, lambda: "150 points came meanwhile" in page.locator("#notice").inner_text())
        wait_until_true(page, f"Number(document.getElementById('plots').dataset.points) === {POINTS + 150}")
        wait_for(page, lambda: page.locator("#episodes tbody tr").count() == 5)
        assert page.locator("#state").inner_text() != "connection lost"
        assert len(run.view.visitors) == 1


def test_a_slow_link_is_told(chromium, run):
    def slow_down():
        for visitor in run.view.visitors:
            visitor.feed.chart.thinness = 4

    with visit(chromium, run) as page:
        run.do(slow_down)
        wait_for(page, lambda: page.locator("#notice").inner_text().startswith("The link is slow"))


def test_many_streams_are_a_table_to_sort_and_filter_and_a_click_opens_one(chromium, tmp_path):
    keys = ["pump <b>1</b>", *(f"valve {k}" for k in range(70))]
    with Run(tmp_path, memory=ranking(keys, 130)) as run, visit(chromium, run, wanted=0) as page:
        rows = page.locator("#streams tbody tr")
        wait_for(page, lambda: rows.count() == 50)
        assert page.locator("#found").inner_text() == "71 streams"
        assert "pump <b>1</b>" in rows.first.inner_text()
        assert rows.first.locator("polyline").count() == 1
        assert rows.first.locator("circle").count() == 1
        page.get_by_role("button", name="More rows").click()
        wait_for(page, lambda: rows.count() == 71)
        heading = page.locator("#streams th button", has_text="stream")
        heading.click()
        heading.click()
        wait_for(page, lambda: "valve 9" in rows.first.inner_text())
        assert page.locator("th[aria-sort]").inner_text().startswith("stream")
        page.get_by_label("Filter by key").fill("PUMP")
        wait_for(page, lambda: rows.count() == 1)
        assert page.locator("#found").inner_text() == "1 of 71 streams"
        rows.first.get_by_role("button").click()
        wait_until_true(page, "document.getElementById('plots').dataset.points === '120'")
        assert page.locator("#key").inner_text() == "pump <b>1</b>"
        wait_for(page, lambda: is_colour(drawn(page), VALUE).mean() > 0.001)
        page.keyboard.press("w")
        wait_for(page, lambda: "for one stream" in page.locator("#notice").inner_text())
        page.keyboard.press("+")
        page.get_by_role("button", name="All streams").click()
        assert rows.first.is_visible()
        page.get_by_label("Filter by state").select_option("warming up")
        wait_for(page, lambda: rows.count() == 0)
        assert page.faults == []


def test_i_shows_alarms_asked_for_and_got_and_the_strip_of_p_values(chromium, run):
    with visit(chromium, run) as page:
        assert not page.locator("#rates").is_visible(), "nothing is counted"
        got = RateGot(1000, 2, 1, 2, 0.0005, 0.007)
        run.honesty = Honesty(0.001, None, got, got, (50,) * 19 + (60,), 1, None)
        wait_for(page, page.locator("#rates").is_visible)
        page.keyboard.press("i")
        box = page.locator("#honesty")
        wait_for(page, lambda: "0.2 %" in box.inner_text())
        assert "0.1 % of normal points" in box.inner_text()
        assert page.locator("#honesty .bars").get_attribute("d").count("Z") == 20
        run.honesty = run.honesty._replace(total=got._replace(scored=2000))
        wait_for(page, lambda: "2 of 2,000 points" in box.inner_text())
        page.keyboard.press("i")
        wait_for(page, lambda: not box.is_visible())
        assert page.faults == []


def test_incidents_across_streams_are_a_list_with_those_who_moved_first(chromium, tmp_path):
    incidents, _, rows = incidents_found()
    for part in np.split(rows, 50):
        incidents.write(part)
    with Run(tmp_path, memory=ranking(["s7", "s20"], 130)) as run, visit(chromium, run, wanted=0) as page:
        assert not page.locator("#incidents").is_visible()
        run.do(lambda: setattr(run.view._shown, "incidents", incidents))
        line = page.locator("#incidents summary").first
        wait_for(page, line.is_visible)
        assert "streams, first s7 (" in line.inner_text()
        line.click()
        followers = page.locator("#incidents details").first.get_by_role("button")
        wait_for(page, followers.first.is_visible)
        assert followers.count() == len(incidents.kept[-1].members)
        followers.first.click()
        wait_for(page, lambda: page.locator("#found").inner_text() == "1 of 2 streams")
        assert page.faults == []


# Behind a proxy


@contextmanager
def proxy(port, prefix=""):
    """A proxy on a port of its own that takes a prefix off each path; without one it is a tunnel."""

    async def forward(reader, writer):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()

    async def serve(reader, writer):
        calls.add(asyncio.current_task())
        there, back = await asyncio.open_connection("127.0.0.1", port)
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            head = await reader.readuntil(b"\r\n\r\n")
            head = head.replace(f" {prefix}/".encode(), b" /", 1)
            if b"upgrade: websocket" not in head.lower():
                head = re.sub(rb"(?i)connection: [^\r]*", b"Connection: close", head)
            back.write(head)
            directions = [asyncio.ensure_future(forward(*one)) for one in ((reader, back), (there, writer))]
            _, others = await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
            for other in others:
                other.cancel()
        for one in (back, writer):
            one.close()
            with suppress(ConnectionError):
                await one.wait_closed()

    ready, place, calls = threading.Event(), [], set()

    async def live():
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        place.extend([asyncio.get_running_loop(), asyncio.Event(), server.sockets[0].getsockname()[1]])
        ready.set()
        await place[1].wait()
        server.close()
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)

    thread = threading.Thread(target=lambda: asyncio.run(live()))
    thread.start()
    assert ready.wait(SECONDS)
    yield place[2]
    place[0].call_soon_threadsafe(place[1].set)
    thread.join(SECONDS)


def test_the_page_works_below_a_path_of_a_proxy_and_through_a_tunnel_to_another_port(chromium, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with Run(tmp_path, port=port) as run, proxy(port) as tunnel:
        address = run.view.address.replace(str(port), str(tunnel))
        with visit(chromium, run, address=address) as page:
            assert page.url == f"http://127.0.0.1:{tunnel}/"
            assert page.faults == []
    with Run(tmp_path, port=port, base_url="http://127.0.0.1:1/pump") as run, proxy(port, "/pump") as door:
        run.view.base = f"http://127.0.0.1:{door}/pump"
        with visit(chromium, run, address=f"{run.view.base}/?token={run.token}") as page:
            assert page.url == f"{run.view.base}/"
            page.keyboard.press("q")
            wait_for(page, lambda: run.asked == ["snapshot"])
            page.get_by_text("Save", exact=True).click()
            with page.expect_download() as download:
                page.get_by_role("link", name="All anomalies, CSV").click()
            assert Path(download.value.path()).read_bytes() == REPORT
            assert page.faults == []


def with_what_if(run, taken):
    """Let visitors of a run try other settings."""
    from streamforest.detectors.z_score import ZScoreDetector  # noqa: PLC0415
    from streamforest.judging.rejudging import AlarmSettings, judge_again  # noqa: PLC0415
    from streamforest.judging.what_if import Trial, WhatIf  # noqa: PLC0415

    def again(settings, readings, is_wanted):
        detector = ZScoreDetector(settings.alarm_rate, settings.rules)
        return judge_again(lambda points: [detector.update_many(points["value"], points["time"])], readings, is_wanted)

    def open_panel(name, seen):
        taken.append((name, seen))
        return WhatIf(run.history, lambda: AlarmSettings("z-score", 0.02), Trial(again, print), taken.append)

    run.open_panel = open_panel


def test_the_panel_of_other_settings_is_moved_by_keys_and_sliders_and_taken_over(chromium, tmp_path):
    taken = []
    run = Run(tmp_path, points=POINTS)
    with_what_if(run, taken)
    with run, visit(chromium, run) as page:
        page.keyboard.press("w")
        panel = page.locator("#panel")
        wait_for(page, lambda: panel.is_visible() and "alarm" in panel.locator("output").inner_text())
        assert taken[0][0] == "what-if"
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowRight")
        wait_for(page, lambda: "up only" in panel.locator("li").nth(1).inner_text())
        panel.locator("input[type=range]").nth(0).fill("1000")
        wait_for(page, lambda: "20 %" in panel.locator("li").nth(0).inner_text())
        wait_for(page, lambda: "instead of" in panel.locator("output").inner_text())
        wait_for(page, lambda: is_colour(drawn(page)[-60:], ANOMALY).sum() > 20)
        panel.get_by_role("button", name="Take over").click()
        wait_for(page, lambda: not panel.is_visible())
        assert (taken[-1].alarm_rate, taken[-1].rules.direction) == (0.2, "up")
        page.get_by_role("button", name="What if").click()
        wait_for(page, panel.is_visible)
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Escape")
        wait_for(page, lambda: not panel.is_visible())
        assert taken[-1][0] == "what-if", "Escape leaves all as it was"
        assert page.faults == []


def test_who_may_only_look_opens_no_panel(chromium, tmp_path):
    taken = []
    run = Run(tmp_path, points=POINTS)
    with_what_if(run, taken)
    with run:
        reading = run.view.address.replace(run.view.token, run.view.reading_token)
        with visit(chromium, run, address=reading) as page:
            assert not page.locator("button[data-open]").first.is_visible()
            page.keyboard.press("w")
            width = width_of(page)
            page.keyboard.press("+")
            wait_for(page, lambda: width_of(page) < width)
        assert taken == []


# Whoever cannot see well, and another browser


@pytest.fixture(scope="module")
def axe():
    """The script of axe-core, which looks for what screen readers, keyboards and weak eyes stumble over."""
    found = importlib.util.find_spec("axe_playwright_python")
    if found is None:
        pytest.skip("needs axe-core: python -m pip install axe-playwright-python")
    return (Path(found.submodule_search_locations[0]) / "axe.min.js").read_text(encoding="utf-8")


def faults_found(page, axe):
    """The serious faults that axe-core finds on a page as it stands: the rule, and where it is broken."""
    page.evaluate(axe)
    found = page.evaluate("axe.run().then(({ violations }) => violations)")
    return [
        (one["id"], node["target"], node["failureSummary"])
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


@pytest.mark.parametrize(
    ("width", "height", "scheme"), [(1280, 800, "light"), (1280, 800, "dark"), (390, 844, "light"), (320, 640, "dark")]
)
def test_nobody_stumbles_over_the_page_whatever_is_open(chromium, tmp_path, axe, width, height, scheme):
    run = Run(tmp_path, points=POINTS)
    with_what_if(run, [])
    with run, visit(chromium, run, width, height, color_scheme=scheme, wanted=1) as page:
        wait_for(page, lambda: page.locator("#episodes tbody tr").count() == 3)
        page.keyboard.press(",")
        page.keyboard.press("w")
        panel = page.locator("#panel")
        wait_for(page, lambda: panel.is_visible() and "alarm" in panel.locator("output").inner_text())
        assert faults_found(page, axe) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.keyboard.press("Escape")
        page.locator("#downloads summary").click()
        assert faults_found(page, axe) == []
        page.keyboard.press("Escape")
        page.keyboard.press("h")
        assert faults_found(page, axe) == []
        assert page.faults == []


@pytest.fixture
def firefox():
    if PROGRAM is None:
        pytest.skip("needs Firefox: apt install firefox-esr")
    with Firefox() as browser:
        yield browser


def test_in_firefox_the_stream_is_drawn_read_out_zoomed_and_judged_again_as_well(firefox, tmp_path):
    run = Run(tmp_path, points=POINTS)
    with_what_if(run, [])

    def wait_until_so(expression):
        wait_until(lambda: firefox.evaluate(expression), SECONDS)

    def seen():
        return pixels_of(firefox.evaluate("document.querySelector('#values canvas').toDataURL()"))

    with run:
        firefox.open(run.view.address)
        wait_until_so(f"Number(document.getElementById('plots').dataset.points) >= {POINTS}")
        wait_until_so("document.querySelectorAll('#episodes tbody tr').length === 3")
        wait_until(lambda: is_colour(seen(), VALUE).mean() > 0.001 and is_colour(seen(), ANOMALY).sum() > 20, SECONDS)

        box = "document.querySelector('#values .u-over').getBoundingClientRect()"
        left, top, width, height = (firefox.evaluate(f"{box}.{name}") for name in ("left", "top", "width", "height"))
        before = firefox.evaluate("document.getElementById('readout').textContent")
        firefox.move(left + width / 4, top + height / 2)
        wait_until_so(f"document.getElementById('readout').textContent !== {json.dumps(before)}")
        whole = firefox.evaluate("document.getElementById('seen').href")
        place = {"x": int(left + width / 4), "y": int(top + height / 2)}
        firefox.act("wheel", {"type": "scroll", **place, "deltaX": 0, "deltaY": -240})
        wait_until_so(f"document.getElementById('seen').href !== {json.dumps(whole)}")

        firefox.press(",")
        wait_until_so("document.querySelector('#episodes [aria-current]') !== null")
        firefox.press("w")
        wait_until_so("document.querySelector('#panel output').textContent.includes('alarm')")
        firefox.press("\ue00c")  # Escape
        wait_until_so("document.getElementById('panel').hidden")
        firefox.press(" ")  # live again
        run.feed.set()
        wait_until_so(f"Number(document.getElementById('seen').href.match(/end=([0-9]+)/)[1]) > {POINTS} + 1")
        assert firefox.faults == []

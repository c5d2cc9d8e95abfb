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
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.image import imread
from PIL import Image
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

from streamforest.actions import Actions
from streamforest.figure import THEMES
from streamforest.history import History
from streamforest.protocols import VERDICT_DTYPE, Status
from streamforest.snapshot import save_snapshot
from streamforest.token_file import kept_token
from streamforest.views.browser import MOST_PIXELS, BrowserView, encode_png, fitting_size, is_own_host

README = Path(__file__).parents[2] / "README.md"
CHROMIUM = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
REPORT = b"index,time\r\n0,\r\n"
SOURCE = "<img src=x onerror=alert(1)> pump.csv"
SIZE = json.dumps({"size": [600, 400, 1]})
DETECTORS = ("forest", "robust-z", "half-space")
SECONDS = 20  # after which what was waited for does not come any more


def stream(n):
    rng = np.random.default_rng(5)
    rows = np.zeros(n, VERDICT_DTYPE)
    rows["index"] = np.arange(n)
    rows["time"] = 1.4e9 + 60.0 * np.arange(n)
    rows["expected"] = 20 + 5 * np.sin(np.arange(n) / 15)
    rows["lower"], rows["upper"] = rows["expected"] - 2, rows["expected"] + 2
    rows["value"] = rows["expected"] + rng.normal(0, 0.5, n)
    rows["score"], rows["threshold"] = 0.4, 0.6
    rows["is_anomaly"][::100] = True
    return rows


class Run:
    """A view in a thread of its own, with points that come as long as ``feed`` is set."""

    def __init__(self, folder, points=300, *, theme="light", port=0, public=False, report=lambda: REPORT, token=""):
        self.history, self.actions = History(5000), Actions()
        self.rows, self.folder, self.report = stream(5000), folder, report
        self.history.write(self.rows[:points])
        self.detector, self.warm_up = DETECTORS[0], 1.0
        self.asked, self.notices, self.frames, self.problem = [], [], 0, None
        self.feed, self.done, self.ready = threading.Event(), threading.Event(), threading.Event()
        self.options = {"theme": theme, "port": port, "public": public, "token": token}
        self.thread = threading.Thread(target=self._live)

    def status(self):
        n = self.history.written
        return Status(
            SOURCE, self.detector, DETECTORS, n, 0, 0, n // 100, 3, 9.5, 0.001, None, None, None, self.warm_up
        )

    def snapshot(self):
        from datetime import datetime  # noqa: PLC0415

        return save_snapshot(self.view.figure, self.folder, datetime(2026, 1, 2, 3, 4, 5), {"Source": "test"})

    def _live(self):
        try:
            self.view = BrowserView(
                self.history,
                self.status,
                self.actions,
                notify=self.notices.append,
                report=self.report,
                snapshot=self.snapshot,
                **self.options,
            )
            self.ready.set()
            while not self.done.is_set():
                self._step()
            self.view.close()
        except BaseException as error:
            self.problem = error
        finally:
            self.ready.set()

    def _step(self):
        if self.feed.is_set():
            self.history.write(self.rows[self.history.end : self.history.end + 3])
        self.view.poll(0.02)
        for name in self.actions.take():
            self.asked.append(name)
            if name.startswith("detector:"):
                self.detector = name.removeprefix("detector:")
            elif name in ("pause", "last-anomaly", "wider"):
                self.view.command(name)

    def __enter__(self):
        self.thread.start()
        assert self.ready.wait(SECONDS)
        if self.problem:
            self.actions.close()
            raise self.problem
        return self

    def __exit__(self, *_error):
        self.end()
        self.actions.close()
        if self.problem:
            raise self.problem

    def end(self):
        self.done.set()
        self.thread.join(SECONDS)

    @property
    def token(self):
        return self.view.token

    def get(self, path, host=None, **headers):
        """Status, headers and body of the answer to one request."""
        link = http.client.HTTPConnection("127.0.0.1", self.view.port, timeout=SECONDS)
        link.request("GET", path, headers={"Host": host or f"127.0.0.1:{self.view.port}", **headers})
        answer = link.getresponse()
        upgraded = answer.status == 101
        found = answer.status, answer.headers, b"" if upgraded else answer.read()
        answer.close()
        link.close()
        return found

    def shake_hands(self, path="/live", host=None, **headers):
        """Status of the answer to a websocket's first request."""
        wanted = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
        return self.get(path, host, **{"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", **wanted, **headers})[0]

    @property
    def origin(self):
        return f"http://127.0.0.1:{self.view.port}"

    @asynccontextmanager
    async def visitor(self, *messages):
        """A visitor without a browser, which says something first and leaves as one should."""
        link = await self.connect()
        for message in messages:
            link.write_message(message)
        yield link
        link.close()
        while await link.read_message() is not None:
            pass

    def connect(self):
        address = f"ws://127.0.0.1:{self.view.port}/live?token={self.token}"
        return websocket_connect(HTTPRequest(address, headers={"Origin": self.origin}))


@pytest.fixture
def run(tmp_path):
    with Run(tmp_path) as started:
        yield started


def until(condition):
    """Wait until something is so."""
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.01)


PATHS = (
    "/",
    "/live",
    "/metrics",
    "/picture.png",
    "/report.csv",
    "/mpl.js",
    "/favicon.ico",
    "/../settings.py",
    "/%2e%2e/x",
)


@pytest.mark.parametrize("token", ["", "?token=", "?token=wrong", "?token=%FF", "?token=\u00e9".encode().hex()])
def test_nothing_is_served_without_the_token(run, token):
    for path in PATHS:
        code, headers, body = run.get(path + token)
        assert code == 403
        assert run.token.encode() not in body
        assert headers["X-Frame-Options"] == "DENY"
    assert run.shake_hands(f"/live{token}", Origin=run.origin) == 403


def test_a_cut_or_a_repeated_token_is_refused(run):
    for token in (run.token[:-1], run.token + "x", f"{run.token}&token=x"):
        assert run.get(f"/?token={token}")[0] == 403


def test_a_foreign_origin_or_host_is_refused_even_with_the_token(run):
    port, token = run.view.port, f"?token={run.token}"
    for path in ("/", "/report.csv", "/picture.png"):
        assert run.get(path + token, Origin="http://evil.example")[0] == 403
        assert run.get(path + token, host=f"evil.example:{port}")[0] == 403
    for origin in (
        "http://evil.example",
        "null",
        f"http://localhost:{port}",
        f"http://127.0.0.1:{port + 1}",
        "file://",
    ):
        assert run.shake_hands(f"/live{token}", Origin=origin) == 403
    rebound = f"evil.example:{port}"
    assert run.shake_hands(f"/live{token}", host=rebound, Origin=f"http://{rebound}") == 403
    assert run.asked == []


def test_a_websocket_without_an_origin_is_refused(run):
    assert run.shake_hands(f"/live?token={run.token}") == 403
    assert run.shake_hands(f"/live?token={run.token}", Origin=run.origin) == 101


def test_the_page_may_load_nothing_from_elsewhere_and_is_not_kept(run):
    code, headers, body = run.get(f"/?token={run.token}")
    policy = headers["Content-Security-Policy"]
    assert code == 200
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "Server" not in headers
    assert b"@nonce@" not in body
    assert b"https://" not in body
    assert run.token.encode() not in body
    assert run.get(f"/?token={run.token}")[1]["Content-Security-Policy"] != policy


def test_it_listens_on_this_machine_only_and_says_where(run):
    assert run.view.address == f"http://127.0.0.1:{run.view.port}/?token={run.token}"
    assert len(run.token) >= 32
    assert run.notices == [f"page: {run.view.address}"]
    assert run.view._server is not None
    assert [s.getsockname()[0] for s in run.view._server._sockets.values()] == ["127.0.0.1"]


def test_a_public_page_warns_and_still_wants_the_token_and_a_host_no_stranger_can_name(tmp_path):
    with Run(tmp_path, public=True) as run:
        assert "warning" in run.notices[0]
        assert run.token not in run.notices[0]
        port, token = run.view.port, f"?token={run.token}"
        assert [s.getsockname()[0] for s in run.view._server._sockets.values()] == ["0.0.0.0"]
        assert run.get(f"/{token}", host=f"192.0.2.7:{port}")[0] == 200
        assert run.get(f"/{token}", host=f"{socket.gethostname()}:{port}")[0] == 200
        assert run.get(f"/{token}", host=f"evil.example:{port}")[0] == 403
        assert run.get("/", host=f"192.0.2.7:{port}")[0] == 403


def test_a_taken_port_is_told_in_one_line(run, tmp_path):
    with (
        pytest.raises(OSError, match=f"port {run.view.port}: .*choose another, or 0") as caught,
        Run(tmp_path, port=run.view.port),
    ):
        pass
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "public", "is_own"),
    [
        ("127.0.0.1:8000", False, True),
        ("localhost:8000", False, True),
        ("127.0.0.1", False, False),
        ("127.0.0.1:8001", False, False),
        ("127.0.0.1.evil.example:8000", False, False),
        ("192.0.2.7:8000", False, False),
        ("192.0.2.7:8000", True, True),
        ("[2001:db8::1]:8000", True, True),
        ("evil.example:8000", True, False),
        ("", True, False),
        (":8000", True, False),
        ("127.0.0.1:\u0668\u0660\u0660\u0660", False, False),
    ],
)
def test_only_names_that_cannot_be_a_strangers_are_own(host, public, is_own):
    assert is_own_host(host, 8000, public) == is_own


def test_the_report_is_served_as_it_stands(run):
    code, headers, body = run.get(f"/report.csv?token={run.token}")
    assert (code, body) == (200, REPORT)
    assert headers["Content-Type"].startswith("text/csv")
    assert "attachment" in headers["Content-Disposition"]


def test_a_report_that_cannot_be_read_is_told_in_words(tmp_path):
    def fail():
        raise OSError("cannot read the report: it was removed")

    with Run(tmp_path, report=fail) as run:
        code, _, body = run.get(f"/report.csv?token={run.token}")
        assert code == 500
        assert body.decode() == "500: cannot read the report: it was removed\n"


def test_the_picture_is_a_whole_png_and_the_one_that_was_saved(run, tmp_path):
    code, headers, body = run.get(f"/picture.png?token={run.token}")
    (saved,) = tmp_path.glob("*.png")
    assert (code, headers["Content-Type"]) == (200, "image/png")
    assert body == saved.read_bytes()
    assert len(np.unique(imread(io.BytesIO(body)).reshape(-1, 4), axis=0)) > 50


@given(st.integers(1, 40), st.integers(1, 40), st.integers(3, 4), st.randoms(use_true_random=False))
@settings(max_examples=30)
def test_an_encoded_picture_is_the_same_when_decoded(height, width, channels, random):
    pixels = np.frombuffer(random.randbytes(height * width * channels), np.uint8).reshape(height, width, channels)
    found = Image.open(io.BytesIO(encode_png(pixels)))
    assert found.mode == "RGB"
    assert np.array_equal(np.asarray(found), pixels[..., :3])


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
    until(lambda: gc.collect() >= 0 and all(known() is None for known in seen))
    assert len(seen) >= 5


def test_nothing_is_drawn_while_nobody_looks(run, monkeypatch):
    drawn = []
    monkeypatch.setattr(run.view.figure, "refresh", lambda: drawn.append(1))
    run.feed.set()
    written = run.history.written
    until(lambda: run.history.written > written + 30)
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
    options = {"theme": "light", "port": 0, "public": False, "notify": print, "snapshot": Path, "report": bytes}
    status = Status("s", "d", ("d",), 0, 0, 0, 0, 0, 0.0, 0.001, None, None, None, 1.0)
    view = BrowserView(History(10), lambda: status, actions, **options)
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


def test_the_numbers_are_served_to_whoever_has_the_token_in_either_place(run):
    for path, headers in (
        (f"/metrics?token={run.token}", {}),
        ("/metrics", {"Authorization": f"Bearer {run.token}"}),
        ("/metrics", {"Authorization": f"bearer {run.token}"}),
    ):
        code, answer, body = run.get(path, **headers)
        assert (code, answer["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
        assert b"\nstreamforest_points_total 300\n" in body
        assert b"\nstreamforest_threshold 0.6\n" in body


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", "Bearer wrong", "Basic {token}", "{token}", "Bearer \xe9", "Bearer {token}x"],
)
def test_a_header_without_the_token_is_refused(run, authorization):
    assert run.get("/metrics", Authorization=authorization.format(token=run.token))[0] == 403
    assert run.get(f"/metrics?token={run.token}x", Authorization=f"Bearer {run.token}")[0] == 403
    assert run.get("/metrics", host="evil.example", Authorization=f"Bearer {run.token}")[0] == 403


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


def test_prometheus_reads_the_numbers_with_the_readmes_configuration(tmp_path, prometheus):
    token = kept_token(tmp_path / "token", print)
    with Run(tmp_path, token=token) as run:
        assert run.token == token
        text = re.search(r"```yaml\n(scrape_configs:.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)[1]
        for address, other in (
            ("127.0.0.1:8765", f"127.0.0.1:{run.view.port}"),
            ("/etc/prometheus/streamforest.token", str(tmp_path / "token")),
        ):
            assert address in text
            text = text.replace(address, other)
        ask = prometheus("global: {scrape_interval: 1s}\n" + text)
        until(lambda: ask("streamforest_points_total") is not None)
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
def visit(chromium, run, width=1280, height=800, scheme=1):
    with chromium.new_context(viewport={"width": width, "height": height}, device_scale_factor=scheme) as context:
        page = context.new_page()
        page.set_default_timeout(1000 * SECONDS)
        page.faults = []
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.on("console", lambda line: page.faults.append(line.text) if line.type == "error" else None)
        page.on("dialog", lambda dialog: page.faults.append(dialog.message))
        page.goto(run.view.address)
        wait_until(page, "document.querySelector('canvas').width > 400")
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


def wait_until(page, expression):
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
        wait_until(other, "document.getElementById('detector').value === 'robust-z'")
        assert one.locator("#detector").input_value() == "robust-z"


def test_two_visitors_see_the_same(chromium, run):
    with visit(chromium, run) as one, visit(chromium, run) as other:
        run.feed.set()
        one.wait_for_timeout(300)
        one.keyboard.press("Space")
        for page in (one, other):
            wait_until(page, "document.getElementById('state').dataset.kind === 'paused'")
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
        assert run.view.figure._selected == pytest.approx((sum(run.view.figure._view) - 1) / 2, abs=20)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_fits_a_phone_and_a_desktop_in_both_themes(chromium, tmp_path, theme):
    with Run(tmp_path, theme=theme) as run, visit(chromium, run, 390, 800, 2) as page:
        for width, height in ((390, 800), (1280, 800)):
            page.set_viewport_size({"width": width, "height": height})
            wait_until(
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
        wait_until(page, "document.getElementById('state').textContent === 'ended'")
        assert "has ended" in page.locator("#notice").inner_text()
        assert share_of(shot(page), THEMES["light"].value) > 0.001
        assert page.get_by_role("button", name="Save picture").is_disabled()
        assert page.faults == []


def test_a_page_whose_run_was_replaced_says_so(chromium, run):
    with visit(chromium, run) as page:
        visitors = run.view.visitors
        run.view.token = "of another run"
        run.view._loop.call_soon_threadsafe(lambda: [visitor.close() for visitor in list(visitors)])
        wait_until(page, "document.getElementById('state').textContent === 'ended'")
        assert "open the address that its terminal shows" in page.locator("#notice").inner_text()


def test_a_lost_connection_is_told_and_taken_up_again(chromium, run):
    with visit(chromium, run) as page:
        run.view._loop.call_soon_threadsafe(lambda: [visitor.close() for visitor in list(run.view.visitors)])
        wait_until(page, "document.getElementById('state').textContent === 'connection lost'")
        wait_until(page, "document.getElementById('state').textContent === 'live'")
        assert page.locator("#notice").is_hidden()
        assert len(run.view.visitors) == 1

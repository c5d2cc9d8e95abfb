"""The picture on a page for the browser, served to this machine to whoever has its token."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
import secrets
import socket
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backend_bases import MouseButton, MouseEvent, ResizeEvent
from numpy.typing import NDArray
from tornado.httpserver import HTTPServer
from tornado.web import Application, HTTPError, RequestHandler
from tornado.websocket import WebSocketClosedError, WebSocketHandler

import streamforest
from streamforest.actions import DETECTOR, VIEW_COMMANDS, Actions
from streamforest.exposition import CONTENT_TYPE, exposition
from streamforest.figure import THEMES, counters
from streamforest.history import History
from streamforest.protocols import Status
from streamforest.ranking import StreamRanking
from streamforest.ranking_figure import figure_of
from streamforest.token_file import new_token

PAGE = Path(__file__).with_name("page.html")
ASKABLE = frozenset({"snapshot", "report", "next-detector", *VIEW_COMMANDS})  # a visitor cannot end the run

FRAME = 1 / 25  # seconds between two frames, at least
SHARE = 0.4  # of the time may go into drawing and encoding: where they are slow, frames are fewer
SLOWEST_FRAME = 0.5  # seconds, also after a drawing that happened to take long
STATUS_SECONDS = 0.25
FAREWELL_SECONDS = 0.5  # for the last picture to reach the visitors
PING_SECONDS = 20  # a visitor that does not answer so long is gone

#: Width and height of the picture in CSS pixels: narrower ones are drawn so wide and shrunk.
NARROWEST, LOWEST, WIDEST, HIGHEST = 560, 320, 2_400, 1_600
BELOW_HEADER = 0.04  # inches: a comma reaches so far below its line
MOST_PIXELS = 4_000_000  # of one picture: a frame costs in proportion
COMPRESSION = 1  # of PNG: the higher ones take three times as long for a tenth less

HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
NOTHING_ALLOWED = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """A PNG of pixels of shape (height, width, 3 or more), without transparency.

    Half the time that Pillow takes, and other threads run meanwhile.
    """
    height, width, _ = pixels.shape
    rows = np.zeros((height, 1 + 3 * width), np.uint8)  # each row begins with its filter: 0, none
    rows[:, 1:] = pixels[..., :3].reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.data, COMPRESSION)), (b"IEND", b""))
    chunks = (struct.pack(">I", len(data)) + kind + data + _check(kind, data) for kind, data in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _check(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))


def is_own_host(host: str, port: int, public: bool) -> bool:
    """Whether a Host header names this server; a foreign name that leads here is somebody else's trick.

    Where the page is public, any numeric address and the machine's own name will do: neither is a name
    that a stranger could have made lead here.
    """
    name = host.removesuffix(f":{port}")
    if name == host and port != 80:
        return False
    if name in ("127.0.0.1", "localhost"):
        return True
    return public and (name.lower() == socket.gethostname().lower() or _is_numeric(name))


def _is_numeric(name: str) -> bool:
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def _what_is_drawn(status: Status) -> str:
    """The picture in words, for who cannot see it."""
    if status.streams is None:
        return f"Stream of {status.source} above, score and threshold below"
    return f"The most unusual of {status.streams:,} streams of {status.source}, and their ranking"


class BrowserView:
    """A page that shows the stream to any number of visitors, who all see the same.

    All methods belong to the main thread, in which everything is served too, during :meth:`poll`.

    Parameters
    ----------
    history : History or StreamRanking
        Where the points come from: of one stream or of many.
    status : callable
        Gives the run's Status.
    actions : Actions
        Takes what visitors ask for.
    theme : str
        Colours: "light" or "dark".
    port : int
        0 picks a free one.
    public : bool
        Serve other machines too, not only this one; warns.
    notify : callable
        Shows the user a line of text: the address, among others.
    report : callable
        Gives the report so far, as CSV.
    snapshot : callable
        Saves a picture and gives its file.
    token : str
        Without which nothing is served; a new one where not given.

    Attributes
    ----------
    address : str
        Of the page, with the token without which nothing is served.
    figure : StreamFigure or RankingFigure
        What is shown.
    port : int
        The one that is used.

    Raises
    ------
    OSError
        The port cannot be had; the message is for the user.

    Notes
    -----
    The figure is drawn as in a window and sent as whole pictures. matplotlib's WebAgg sends what differs
    from the frame before, to all visitors alike: it can leave out no frame for a visitor who is slow.
    """

    name = "browser"

    def __init__(
        self,
        history: History | StreamRanking,
        status: Callable[[], Status],
        actions: Actions,
        *,
        theme: str,
        port: int,
        public: bool,
        notify: Callable[[str], None],
        report: Callable[[], bytes],
        snapshot: Callable[[], Path],
        token: str = "",
    ) -> None:
        self.figure = figure_of(history, status, theme=theme)
        self.report, self.snapshot = report, snapshot
        self.public = public
        self.token = token or new_token()
        self.page = _fill_page(theme)
        self.visitors: list[Visitor] = []
        self.is_open = True
        self._history, self._status, self._actions = history, status, actions
        self._paused_at = 0
        self._newest: dict[str, tuple[int, str | bytes]] = {"status": (0, ""), "frame": (0, b"")}  # count and content
        self._status_due = self._frame_due = 0.0
        self._size = (0.0, 0.0, 0.0)
        listener = _listen(port, public)
        self.port: int = listener.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}/?token={self.token}"
        # Not the default loop: that of Windows cannot watch a descriptor.
        self._loop = asyncio.SelectorEventLoop()
        self._loop.run_until_complete(self._start(listener))
        if public:
            notify(
                f"warning: port {self.port} is open to other machines, and what it sends can be read on the way; "
                f"from there, put this machine's numeric address or {socket.gethostname()} in place of 127.0.0.1"
            )
        notify(f"page: {self.address}")

    async def _start(self, listener: socket.socket) -> None:
        routes: list[Any] = [(path, kind, {"view": self}) for path, kind in ROUTES.items()]
        application = Application(
            routes,
            default_handler_class=Missing,
            default_handler_args={"view": self},
            log_function=lambda _handler: None,  # it would write addresses, with the token, to the terminal
            websocket_ping_interval=PING_SECONDS,
            websocket_ping_timeout=PING_SECONDS,
            websocket_max_message_size=4096,
        )
        log = logging.getLogger("tornado")  # its lines would hold addresses, with the token, and what strangers sent
        log.addHandler(logging.NullHandler())
        log.propagate = False
        self._server = HTTPServer(
            application, max_body_size=4096, max_header_size=16_384, idle_connection_timeout=60, body_timeout=10
        )
        self._server.add_socket(listener)
        self._woken = asyncio.Event()
        self._loop.add_reader(self._actions.fileno(), self._woken.set)

    def poll(self, seconds: float) -> None:
        """Serve visitors and draw for about so long, less if an action is asked for."""
        if self.is_open:
            self._loop.run_until_complete(self._serve(seconds))

    def command(self, name: str) -> None:
        """Change the picture; see StreamFigure.COMMANDS."""
        was_paused = self.figure.paused
        self.figure.command(name)
        if not was_paused:
            self._paused_at = self._history.end
        self._frame_due = self._status_due = 0.0

    def close(self) -> None:
        """Show the last picture, tell the visitors that the run has ended, and serve no more."""
        if not self.is_open:
            return
        self.is_open = False
        self._loop.remove_reader(self._actions.fileno())
        self._loop.run_until_complete(self._say_farewell())
        self._loop.close()

    def metrics(self) -> bytes:
        """The run's numbers, as Prometheus reads them."""
        return exposition(self._status(), self._history.newest(1), streamforest.__version__)

    async def _serve(self, seconds: float) -> None:
        end = self._loop.time() + seconds
        self._woken.clear()
        while True:
            self._show()
            remaining = end - self._loop.time()
            try:
                async with asyncio.timeout(max(0.0, min(FRAME / 2, remaining))):
                    await self._woken.wait()
                    return
            except TimeoutError:
                if remaining <= FRAME / 2:
                    return

    async def _say_farewell(self) -> None:
        self._server.stop()
        self._status_due = self._frame_due = 0.0
        self._show()
        self._status_due = self._frame_due = float("inf")
        end = self._loop.time() + FAREWELL_SECONDS
        while not all(visitor.has_read(self._newest) for visitor in self.visitors) and self._loop.time() < end:
            await asyncio.sleep(0.01)
            self._show()
        for visitor in list(self.visitors):
            visitor.close(1001, "the run has ended")
        while self.visitors and self._loop.time() < end:
            await asyncio.sleep(0.01)
        await self._server.close_all_connections()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    # What visitors see

    def _show(self) -> None:
        """Send what is new to the visitors that have read what was sent before."""
        if not self.visitors:
            return
        now = self._loop.time()
        if now >= self._status_due:
            self._status_due = now + STATUS_SECONDS
            self._replace("status", json.dumps(self._describe(), allow_nan=False))
        if now >= self._frame_due and any(visitor.is_ready("frame") for visitor in self.visitors):
            self._draw()
            self._frame_due = now + min(max(FRAME, (self._loop.time() - now) / SHARE), SLOWEST_FRAME)
        for visitor in self.visitors:
            for kind, (number, content) in self._newest.items():
                visitor.offer(kind, number, content)

    def _replace(self, kind: str, content: str | bytes) -> None:
        number, known = self._newest[kind]
        if content != known:
            self._newest[kind] = (number + 1, content)

    def _draw(self) -> None:
        self._fit()
        if self.figure.refresh() or not self._newest["frame"][0]:
            canvas: Any = self.figure.figure.canvas  # matplotlib's canvases ship no types for this
            pixels: NDArray[np.uint8] = np.asarray(canvas.buffer_rgba())[self._header_pixels :]
            self._replace("frame", encode_png(pixels))

    @property
    def _header(self) -> float:
        """Height of the line of numbers in the picture, in inches; the page has its own in its place."""
        figure = self.figure.figure
        return float(figure.axes[0].get_position().height * figure.get_figheight()) + BELOW_HEADER

    @property
    def _header_pixels(self) -> int:
        return round(self._header * self.figure.figure.dpi)

    def _fit(self) -> None:
        """Give the figure the size of the widest visitor: the others see it smaller, which stays sharp."""
        size = max((visitor.size for visitor in self.visitors if visitor.size), default=None)
        if size is None or size == self._size:
            return
        self._size = size
        width, height, ratio = size
        figure = self.figure.figure
        figure.dpi = 100 * ratio
        for _ in range(2):  # the height of the header is known when it is laid out
            figure.set_size_inches(width / 100, height / 100 + self._header)
            figure.canvas.callbacks.process("resize_event", ResizeEvent("resize_event", figure.canvas))

    def _describe(self) -> dict[str, Any]:
        """What the page shows beside the picture."""
        status = self._status()
        kind, text = self._state(status)
        return {
            "source": status.source,
            "detector": status.detector,
            "detectors": status.detectors,
            "counters": counters(status),
            "episodes": f"{status.episodes:,}",
            "kind": kind,
            "text": text,
            "summary": f"{_what_is_drawn(status)}; "
            f"{status.points:,} points, {status.anomalies:,} anomalous, {status.episodes:,} episodes",
            "ended": not self.is_open,
        }

    def _state(self, status: Status) -> tuple[str, str]:
        if self.figure.paused:
            return "paused", f"paused, {self._history.end - self._paused_at:,} new points"
        if status.warm_up < 1:
            return "warming", f"warming up: {int(100 * status.warm_up)} %"
        return "live", "live"

    # What visitors ask for

    def heed(self, visitor: Visitor, message: dict[str, Any]) -> None:
        """Act on one message of a visitor: an acknowledgement, a size, a click or an action."""
        match message:
            case {"ack": "frame" | "status" as kind}:
                visitor.acknowledge(kind)
            case {"size": [float() as width, float() as height, float() as ratio]}:
                visitor.size = fitting_size(width, height, ratio)
            case {"click": [float() as x, float() as y]} if 0 <= x <= 1 and 0 <= y <= 1:
                self._click(x, y)
            case {"ask": str() as name} if self._is_askable(name):
                self._actions.ask(name)

    def _is_askable(self, name: str) -> bool:
        return name in ASKABLE or (
            name.startswith(DETECTOR) and name.removeprefix(DETECTOR) in self._status().detectors
        )

    def _click(self, x: float, y: float) -> None:
        """Select the point at a place given as shares of the picture, from its upper left corner."""
        canvas = self.figure.figure.canvas
        width, height = canvas.get_width_height()
        across, up = round(x * width), round((1 - y) * (height - self._header_pixels))
        event = MouseEvent("button_press_event", canvas, across, up, MouseButton.LEFT)
        self.figure.select(event.xdata if event.inaxes else None)
        self._frame_due = 0.0


def fitting_size(width: float, height: float, ratio: float) -> tuple[float, float, float] | None:
    """A size in CSS pixels, and pixels of the screen in each, that can be drawn; None where there is none."""
    if not all(isfinite(number) and number > 0 for number in (width, height, ratio)):
        return None
    shrunk = max(1.0, NARROWEST / width)
    width = min(width * shrunk, WIDEST)
    height = max(LOWEST, min(height * shrunk, HIGHEST))
    ratio = min(ratio / shrunk, 4.0, (MOST_PIXELS / width / height) ** 0.5)
    return round(width), round(height), max(ratio, 0.5)


def _listen(port: int, public: bool) -> socket.socket:
    try:
        listener = socket.create_server(("0.0.0.0" if public else "127.0.0.1", port), backlog=16)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise OSError(f"cannot serve a page on port {port}: {reason}; choose another, or 0 for a free one") from error
    listener.setblocking(False)
    return listener


def _fill_page(theme: str) -> str:
    colours = asdict(THEMES[theme])
    # The edge of a control must stand out from the page, which the grid is too pale for.
    rules = " ".join(f"--{name}: {colour};" for name, colour in colours.items()) + " --edge: #8a94a3;"
    return PAGE.read_text(encoding="utf-8").replace("@colours@", rules).replace("@theme@", theme)


def bearer_token(authorization: str) -> bytes:
    """The token in an Authorization header; empty where there is none."""
    scheme, _, token = authorization.partition(" ")
    return token.strip().encode("utf-8", "replace") if scheme.lower() == "bearer" else b""


class Guarded(RequestHandler):
    """A request that is answered only if it has the token and does not come from another site."""

    view: BrowserView

    def initialize(self, view: BrowserView) -> None:
        """Take the view that this belongs to."""
        self.view = view

    def set_default_headers(self) -> None:
        """Allow nothing that is not needed."""
        self.clear_header("Server")
        for name, value in HEADERS.items():
            self.set_header(name, value)
        self.set_header("Content-Security-Policy", NOTHING_ALLOWED)

    def prepare(self) -> None:
        """Refuse whoever has no business here."""
        view, headers = self.view, self.request.headers
        host = headers.get("Host", "")
        token = self.request.query_arguments.get("token", [bearer_token(headers.get("Authorization", ""))])[-1]
        if not (
            is_own_host(host, view.port, view.public)
            and headers.get("Origin", f"http://{host}") == f"http://{host}"
            and secrets.compare_digest(token, view.token.encode())
        ):
            raise HTTPError(403)

    def write_error(self, status_code: int, **reason: Any) -> None:
        """Say in plain text what to do."""
        text = reason.get("text") or {
            403: "open the address that the terminal shows, with all of its token",
            404: "there is no such page here",
        }.get(status_code, "this cannot be served")
        self.set_header("Content-Type", "text/plain; charset=UTF-8")
        self.finish(f"{status_code}: {text}\n")

    def send_download(self, kind: str, name: str, content: Callable[[], bytes]) -> None:
        """Send a file for the visitor to keep, or say why it cannot be made."""
        try:
            data = content()
        except OSError as error:
            self.send_error(500, text=str(error))
            return
        self.set_header("Content-Type", kind)
        self.set_header("Content-Disposition", f'attachment; filename="{name}"')
        self.finish(data)


class Page(Guarded):
    """The page itself."""

    def get(self) -> None:
        """Send it, with its own style and script allowed and no others."""
        nonce = secrets.token_urlsafe(16)
        own = f"script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src data:"
        live = f"connect-src 'self' ws://{self.request.host}"
        self.set_header("Content-Security-Policy", f"{NOTHING_ALLOWED}; {own}; {live}")
        self.finish(self.view.page.replace("@nonce@", nonce))


class Report(Guarded):
    """The report so far."""

    def get(self) -> None:
        """Send it as CSV."""
        self.send_download("text/csv; charset=UTF-8", "anomaly_report.csv", self.view.report)


class Picture(Guarded):
    """The picture as it stands, also saved where the run saves its pictures."""

    def get(self) -> None:
        """Send it as PNG."""
        saved: list[Path] = []

        def content() -> bytes:
            saved.append(self.view.snapshot())
            return saved[0].read_bytes()

        self.send_download("image/png", "anomaly_graph.png", content)


class Metrics(Guarded):
    """The run's numbers for Prometheus."""

    def get(self) -> None:
        """Send them as text."""
        self.set_header("Content-Type", CONTENT_TYPE)
        self.finish(self.view.metrics())


class Missing(Guarded):
    """Any other address."""

    def prepare(self) -> None:
        """Refuse strangers first: they learn nothing of what is there."""
        super().prepare()
        raise HTTPError(404)


class Visitor(Guarded, WebSocketHandler):
    """One open page: gets frames and numbers, each kind anew only when it has read the one before."""

    def initialize(self, view: BrowserView) -> None:
        """Start with nothing sent."""
        super().initialize(view)
        self.size: tuple[float, float, float] | None = None
        self._sent = {"frame": 0, "status": 0}
        self._unread: set[str] = set()

    def prepare(self) -> None:
        """Refuse also what names no Origin: browsers always do."""
        super().prepare()
        if "Origin" not in self.request.headers:
            raise HTTPError(403)

    def open(self, *_args: str, **_named: str) -> None:
        """Count the visitor in."""
        self.set_nodelay(True)
        self.view.visitors.append(self)

    def on_close(self) -> None:
        """Forget the visitor."""
        if self in self.view.visitors:
            self.view.visitors.remove(self)

    def on_message(self, message: str | bytes) -> None:
        """Pass on what can be understood."""
        try:
            found = json.loads(message, parse_int=float)  # an integer may be too large for any
        except (ValueError, RecursionError):
            return
        if isinstance(found, dict):
            self.view.heed(self, found)

    def is_ready(self, kind: str) -> bool:
        """Whether the visitor has read what was sent of this kind, and has told how large a picture may be."""
        return kind not in self._unread and (kind != "frame" or self.size is not None)

    def has_read(self, newest: Mapping[str, tuple[int, str | bytes]]) -> bool:
        """Whether the visitor has read the newest of each kind, as far as it takes them."""
        return all(self._sent[kind] == number and kind not in self._unread for kind, (number, _) in newest.items())

    def acknowledge(self, kind: str) -> None:
        """Note that the visitor has read what was sent of this kind."""
        self._unread.discard(kind)

    def offer(self, kind: str, number: int, content: str | bytes) -> None:
        """Send content of which ``number`` is the count, unless the visitor has it or is still busy."""
        if self._sent[kind] == number or not self.is_ready(kind):
            return
        try:
            written = self.write_message(content, binary=isinstance(content, bytes))
        except WebSocketClosedError:
            return  # on_close follows
        self._sent[kind] = number
        self._unread.add(kind)
        # Whoever goes away meanwhile is no fault of the run's.
        written.add_done_callback(lambda future: future.cancelled() or future.exception())


ROUTES: dict[str, type[RequestHandler]] = {
    "/": Page,
    "/live": Visitor,
    "/metrics": Metrics,
    "/picture.png": Picture,
    "/report.csv": Report,
}

"""The picture on a page for the browser, the same for all visitors, who may act on it."""

from __future__ import annotations

import asyncio
import json
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from ssl import SSLContext
from typing import Any

import numpy as np
from matplotlib.backend_bases import MouseButton, MouseEvent, ResizeEvent
from numpy.typing import NDArray

import streamforest
from streamforest.figures.choice import figure_of
from streamforest.figures.header import counters
from streamforest.figures.themes import THEMES
from streamforest.protocols import Status
from streamforest.terminal.actions import DETECTOR, VIEW_COMMANDS
from streamforest.views.access import PageAccess
from streamforest.views.exposition import exposition
from streamforest.views.page_server import Visitor, listen, new_server, tls_context
from streamforest.views.png import encode_png
from streamforest.views.token_file import kept_tokens, new_token
from streamforest.views.watched import Watched

PAGE = Path(__file__).with_name("page.html")
ASKS_A_MINUTE = 20  # pictures, reports and other detectors, of all visitors together
ASKABLE = frozenset({"snapshot", "report", "next-detector", *VIEW_COMMANDS})  # a visitor cannot end the run

FRAME = 1 / 25  # seconds between two frames, at least
SHARE = 0.4  # of the time may go into drawing and encoding: where they are slow, frames are fewer
SLOWEST_FRAME = 0.5  # seconds, also after a drawing that happened to take long
STATUS_SECONDS = 0.25
FAREWELL_SECONDS = 0.5  # for the last picture to reach the visitors

#: Width and height of the picture in CSS pixels: narrower ones are drawn so wide and shrunk.
NARROWEST, LOWEST, WIDEST, HIGHEST = 560, 320, 2_400, 1_600
BELOW_HEADER = 0.04  # inches: a comma reaches so far below its line
MOST_PIXELS = 4_000_000  # of one picture: a frame costs in proportion


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
    watched : Watched
        What is shown, and what visitors can ask for.
    theme : str
        Colours: "light" or "dark".
    notify : callable
        Shows the user a line of text: the address, among others.
    access : PageAccess
        How visitors reach the page, and how many.

    Attributes
    ----------
    address, reading_address : str
        Of the page, with the token of visitors who may act, and of those who may only look.
    figure : LiveFigure
        What is shown.
    port : int
        The one that is used.
    server : PageServer
        Serves the page.

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
        watched: Watched,
        *,
        theme: str,
        notify: Callable[[str], None],
        access: PageAccess,
    ) -> None:
        context = None if access.tls is None else tls_context(*access.tls)
        self.figure = figure_of(watched.memory, watched.status, theme=theme)
        self.report, self.snapshot = watched.report, watched.snapshot
        self.public = access.public
        kept = access.token_file
        self.token, self.reading_token = (new_token(), new_token()) if kept is None else kept_tokens(kept, notify)
        self.base, self.scheme = access.base_url.rstrip("/"), "http" if context is None else "https"
        self._notify = notify
        self._asked: deque[float] = deque(maxlen=ASKS_A_MINUTE)  # when pictures and reports were
        self._left_out = 0  # pictures and reports
        self.page = _fill_page(theme)
        self.visitors: list[Visitor] = []
        self.is_open = True
        self._memory, self._status, self._actions = watched.memory, watched.status, watched.actions
        self._paused_at = 0
        self._newest: dict[str, tuple[int, str | bytes]] = {"status": (0, ""), "frame": (0, b"")}  # count and content
        self._status_due = self._frame_due = 0.0
        self._size = (0.0, 0.0, 0.0)
        listener = listen(access.port, access.public)
        self.port: int = listener.getsockname()[1]
        place = self.base or f"{self.scheme}://127.0.0.1:{self.port}"
        self.address, self.reading_address = (f"{place}/?token={one}" for one in (self.token, self.reading_token))
        # Not the default loop: that of Windows cannot watch a descriptor.
        self._loop = asyncio.SelectorEventLoop()
        self._loop.run_until_complete(self._start(listener, access.most_visitors, context))
        if access.public and context is None:
            notify(
                f"warning: port {self.port} is open to other machines, and what it sends can be read on the way; "
                f"from there, put this machine's numeric address or {socket.gethostname()} in place of 127.0.0.1"
            )
        if access.is_private:
            notify(f"page: {self.address}")
            notify(f"page to look at only: {self.reading_address}")
        else:
            notify(f"page: {place}/ (these lines go into a file: its token is not told here, --token-file keeps it)")

    async def _start(self, listener: socket.socket, most_visitors: int, tls: SSLContext | None) -> None:
        self.server = new_server(self, listener, most_visitors, tls)
        self._woken = asyncio.Event()
        self._loop.add_reader(self._actions.fileno(), self._woken.set)

    def poll(self, seconds: float) -> None:
        """Serve visitors and draw for about so long, less if an action is asked for."""
        if self.is_open:
            self._loop.run_until_complete(self._serve(seconds))

    def command(self, name: str) -> None:
        """Change the picture; by one of ``figures.navigation.COMMANDS``."""
        was_paused = self.figure.paused
        self.figure.command(name)
        if not was_paused:
            self._paused_at = self._memory.end
        self._frame_due = self._status_due = 0.0

    def close(self) -> None:
        """Show the last picture, tell the visitors that the run has ended, and serve no more."""
        if not self.is_open:
            return
        self.is_open = False
        if self._left_out:
            self._notify(f"visitors asked for {self._left_out:,} pictures and reports too many")
        self._loop.remove_reader(self._actions.fileno())
        self._loop.run_until_complete(self._say_farewell())
        self._loop.close()

    def picture(self) -> bytes:
        """The picture as it stands, as PNG, saved nowhere."""
        self.figure.refresh()
        canvas: Any = self.figure.figure.canvas
        return encode_png(np.asarray(canvas.buffer_rgba()))

    def may_ask(self) -> bool:
        """Whether visitors may have one more picture or report now: ASKS_A_MINUTE between them."""
        now = self._loop.time()
        if len(self._asked) == ASKS_A_MINUTE and now - self._asked[0] < 60.0:
            self._left_out += 1
            if self._left_out == 1:
                self._notify(
                    f"visitors ask for more than {ASKS_A_MINUTE} pictures and reports a minute: the rest is left out"
                )
            return False
        self._asked.append(now)
        return True

    def metrics(self) -> bytes:
        """The run's numbers, as Prometheus reads them."""
        return exposition(self._status(), self._memory.newest(1), streamforest.__version__)

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
        self.server.stop()
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
        await self.server.close_all_connections()
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
        number, sent = self._newest[kind]
        if content != sent:
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
        for _ in range(2):  # the height of the header is fixed when it is laid out
            figure.set_size_inches(width / 100, height / 100 + self._header)
            figure.canvas.callbacks.process("resize_event", ResizeEvent("resize_event", figure.canvas))

    def _describe(self) -> dict[str, Any]:
        """What the page shows beside the picture."""
        status = self._status()
        kind, text = self._state(status)
        return {
            "source": status.source,
            "understood": status.understood,
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
            return "paused", f"paused, {self._memory.end - self._paused_at:,} new points"
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
            case _ if not visitor.may_act:
                pass
            case {"click": [float() as x, float() as y]} if 0 <= x <= 1 and 0 <= y <= 1:
                self._click(x, y)
            case {"ask": str() as name} if self._is_askable(name):
                # one that waits is done once, however often it is asked for
                if not self._actions.is_asked(name) and (name in VIEW_COMMANDS or self.may_ask()):
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


def _fill_page(theme: str) -> str:
    colours = asdict(THEMES[theme])
    # The edge of a control must stand out from the page, which the grid is too pale for.
    rules = " ".join(f"--{name}: {colour};" for name, colour in colours.items()) + " --edge: #8a94a3;"
    return PAGE.read_text(encoding="utf-8").replace("@colours@", rules).replace("@theme@", theme)

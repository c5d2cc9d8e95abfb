"""The run on a page for the browser: each visitor looks where he wants to, and may ask for little."""

from __future__ import annotations

import asyncio
import io
import json
import socket
from collections import deque
from collections.abc import Callable
from ssl import SSLContext
from typing import Any

import streamforest
from streamforest.figures.honesty_text import honesty_facts
from streamforest.terminal.actions import DETECTOR, OPENING
from streamforest.verdicts.history import History
from streamforest.verdicts.ranking import StreamRanking
from streamforest.views.access import PageAccess
from streamforest.views.api import API_ROUTES, Api, streams_of
from streamforest.views.exposition import exposition
from streamforest.views.page_downloads import report_json
from streamforest.views.page_server import Feed, Visitor, listen, most_connections, new_server, tls_context
from streamforest.views.ranking_feed import RankingShown
from streamforest.views.stream_feed import StreamShown
from streamforest.views.token_file import kept_tokens, new_token
from streamforest.views.watched import Watched

ASKS_A_MINUTE = 20  # downloads, pictures, reports and other detectors, of all visitors together
ASKABLE = frozenset({"snapshot", "report", "next-detector"})  # a visitor cannot end the run

FRAME = 1 / 25  # seconds between two looks at what is new, at least
SHARE = 0.4  # of the time may go into it: where there are many visitors, it is seldomer
SLOWEST_FRAME = 0.5  # seconds, also after a look that happened to take long
STATUS_SECONDS = 0.25
FAREWELL_SECONDS = 0.5  # for the last points to reach the visitors

#: Parts of a run's status that all visitors get.
TELLING = (
    *("source", "understood", "detector", "detectors", "points", "refused", "missing", "anomalies", "episodes"),
    *("points_per_second", "alarm_rate", "realised_rate", "precision", "recall", "warm_up", "alarms_a_day", "streams"),
    "agreement",
)
#: Name of what is kept of a run -> what visitors are shown of it.
SHOWN: dict[str, Callable[[Any], StreamShown | RankingShown]] = {
    History.name: StreamShown,
    StreamRanking.name: RankingShown,
}


class BrowserView:
    """A page that shows the run to any number of visitors, each of whom looks where he wants to.

    All methods belong to the main thread, in which everything is served too, during :meth:`poll`.

    Parameters
    ----------
    watched : Watched
        What is shown, and what visitors can ask for.
    theme : str
        Colours of pictures, "light" or "dark". The page is dark with "dark", else as the visitor's system is.
    notify : callable
        Shows the user a line of text: the address, among others.
    access : PageAccess
        How visitors reach the page, and how many.
    api : Api, optional
        What programs may post and ask for, on the same port.

    Attributes
    ----------
    address, reading_address : str
        Of the page, with the token of visitors who may act, and of those who may only look.
    port : int
        The one that is used.
    server : PageServer
        Serves the page.

    Raises
    ------
    OSError
        The port cannot be had; the message is for the user.
    """

    name = "browser"

    def __init__(
        self,
        watched: Watched,
        *,
        theme: str,
        notify: Callable[[str], None],
        access: PageAccess,
        api: Api | None = None,
    ) -> None:
        context = None if access.tls is None else tls_context(*access.tls)
        self.theme = theme
        self.report, self.snapshot = watched.report, watched.snapshot
        self.public = access.public
        kept = access.token_file
        self.token, self.reading_token = (new_token(), new_token()) if kept is None else kept_tokens(kept, notify)
        self.base, self.scheme = access.base_url.rstrip("/"), "http" if context is None else "https"
        self._notify = notify
        self._asked: deque[float] = deque(maxlen=ASKS_A_MINUTE)  # when pictures and reports were
        self._left_out = 0  # pictures and reports
        self.visitors: list[Visitor] = []
        self.is_open = True
        self._case = watched.case
        self._memory, self._status, self._actions = watched.memory, watched.status, watched.actions
        self.api, self.answering = api, 0
        self._shown = SHOWN[watched.memory.name](watched.memory)
        if isinstance(self._shown, StreamShown):
            self._shown.open_panel = getattr(watched, "open_panel", self._shown.open_panel)
        else:
            self._shown.incidents = getattr(watched, "incidents", None)
        self._newest, self._count = "", 0  # numbers that all visitors get, and how often they changed
        self._status_due = self._charts_due = 0.0
        if most_connections() < 1:
            raise OSError("the limit on open files (ulimit -n) leaves none for visitors")
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
        self._heard = self._status().notice  # who opens the page needs no address of it

    async def _start(self, listener: socket.socket, most_visitors: int, tls: SSLContext | None) -> None:
        more = {} if self.api is None else API_ROUTES
        self.server = new_server(self, listener, most_visitors, tls, more)
        self._woken = asyncio.Event()
        self._loop.add_reader(self._actions.fileno(), self._woken.set)

    def poll(self, seconds: float) -> None:
        """Serve visitors for about so long, less if an action is asked for."""
        if self.is_open:
            self._loop.run_until_complete(self._serve(seconds))

    def command(self, name: str) -> None:
        """Nothing changes: each visitor looks where he wants to."""

    def close(self) -> None:
        """Send the last points, tell the visitors that the run has ended, and serve no more."""
        if not self.is_open:
            return
        self.is_open = False
        if self._left_out:
            self._notify(f"visitors asked for {self._left_out:,} pictures and reports too many")
        self._loop.remove_reader(self._actions.fileno())
        self._loop.run_until_complete(self._say_farewell())
        self._loop.close()

    def picture(self, seen: tuple[int, int] | None = None) -> bytes:
        """A picture as PNG, saved nowhere: of the newest points, or from one stream index to another, outside."""
        from streamforest.figures.choice import figure_of  # noqa: PLC0415 - a second, for the first picture only
        from streamforest.figures.stream_figure import StreamFigure  # noqa: PLC0415

        figure = figure_of(self._memory, self._status, theme=self.theme)
        if seen is not None and isinstance(figure, StreamFigure):
            figure.navigation.show_stretch(*seen)
        figure.refresh()
        drawn, file = figure.picture().figure, io.BytesIO()
        drawn.savefig(file, format="png", dpi="figure", facecolor=drawn.get_facecolor())
        return file.getvalue()

    def report_json(self) -> bytes:
        """The report so far, as JSON."""
        return report_json(self.report())

    def seen_csv(self, first: int, end: int) -> bytes:
        """What is seen from one place to another, which is outside, as CSV."""
        return self._shown.seen_csv(first, end)

    def case(self, index: int) -> bytes:
        """The case file of the episode at a stream index, or the newest one before; raises OSError without one."""
        return self._case(index)

    def new_feed(self) -> Feed:
        """What one more visitor gets."""
        return self._shown.new_feed()

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

    def streams(self, first: int, most: int) -> list[dict[str, Any]]:
        """The streams from a place of the ranking on, at most so many, for programs."""
        return streams_of(self._memory, self._status(), first, most)

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
        self._status_due = 0.0
        end = self._loop.time() + FAREWELL_SECONDS
        while self._loop.time() < end:
            self._charts_due = 0.0
            self._show()
            self._status_due = float("inf")
            if not self.answering and all(visitor.has_read(self._count) for visitor in self.visitors):
                break
            await asyncio.sleep(0.01)
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
        now = self._loop.time()
        if not self.visitors or now < self._charts_due:
            return
        if now >= self._status_due:
            self._status_due = now + STATUS_SECONDS
            self._shown.look_around()
            self._tell(self._status().notice)
            status = json.dumps(self._describe(), allow_nan=False)
            if status != self._newest:
                self._newest, self._count = status, self._count + 1
        self._shown.refresh()
        for visitor in self.visitors:
            visitor.offer(self._count, self._newest, now)
        self._charts_due = now + min(max(FRAME, (self._loop.time() - now) / SHARE), SLOWEST_FRAME)

    def _tell(self, notice: str) -> None:
        """Send a new line of the run for people to the visitors who may act: what was saved, or could not be."""
        if notice and notice != self._heard:
            for visitor in self.visitors:
                if visitor.may_act:
                    visitor.tell(notice)
        self._heard = notice

    def _describe(self) -> dict[str, Any]:
        """What all visitors get of the run's numbers."""
        status = self._status()
        since = status.seconds_since_last_point
        return {
            "kind": "status",
            "shows": self._shown.kind,
            **{name: getattr(status, name) for name in TELLING},
            "quiet": None if since is None else round(since),
            "honesty": honesty_facts(status.honesty),
            **self._shown.facts(status),
            "complete": status.has_ended,  # no point comes any more
            "ended": not self.is_open,  # nor is anything answered
        }

    # What visitors ask for

    def heed(self, visitor: Visitor, message: dict[str, Any]) -> None:
        """Act on one message of a visitor: an acknowledgement, what he wants to see, or an action."""
        match message:
            case {"ack": str() as kind}:
                visitor.acknowledge(kind, self._loop.time())
            case {"ask": str() as name}:
                # one that waits is done once, however often it is asked for
                if visitor.may_act and self._is_askable(name) and not self._actions.is_asked(name) and self.may_ask():
                    self._actions.ask(name)
            case {"panel": str() as name}:
                if visitor.may_act and (name not in OPENING or self.may_ask()):
                    visitor.feed.heed_panel(name, message)
            case _:
                visitor.feed.heed(message)

    def _is_askable(self, name: str) -> bool:
        return name in ASKABLE or (
            name.startswith(DETECTOR) and name.removeprefix(DETECTOR) in self._status().detectors
        )

"""Serves the page, its live connection, downloads and metrics to visitors with a token, and to few at once."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
import os
import re
import secrets
import socket
import ssl
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol
from urllib.parse import urlsplit

from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream
from tornado.web import Application, HTTPError, RequestHandler
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from streamforest.protocols import LABELS, REASONS
from streamforest.views.access import MOST_VISITORS
from streamforest.views.exposition import CONTENT_TYPE

PING_SECONDS = 20  # a visitor that does not answer so long is gone
PAGES_SHARE = 75  # percent of the connections that may be open pages
DESCRIPTORS_SHARE = 4  # visitors have one in so many of those that a program may open: files and commands need some
DESCRIPTORS_KEPT = 12  # for a command with its pipes, a checkpoint and a picture at the same time
BACKLOG = 16  # connections that wait to be accepted
ACCEPT_PAUSE = 1.0  # seconds, where no connection can be accepted
LARGEST_MESSAGE = 4096  # bytes that a visitor may send at once
LARGEST = 2**53  # the largest place that a visitor may name: JavaScript counts no further
READ_BUFFER = 2**16  # bytes of a connection that are read and not yet understood
HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
NOTHING_ALLOWED = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
OWN_FILES = "script-src 'self'; style-src 'self'; img-src 'self' data:"
FOLDER = Path(__file__).with_name("page")
PARTS = ("plots", "moves")  # pieces of the page that the summary of a run has too, a file each
STYLE, SCRIPT = "text/css; charset=UTF-8", "text/javascript; charset=UTF-8"
#: Files of the page -> their kind; uPlot's are its own, whole, with its licence beside them.
FILES = {
    **dict.fromkeys(("colours.css", "dark.css", "chart.css", "page.css", "parts.css", "api.css"), STYLE),
    "uplot/uPlot.min.css": STYLE,
    **dict.fromkeys(("page.js", "chart.js", "episodes.js", "gestures.js", "honesty.js", "incidents.js"), SCRIPT),
    **dict.fromkeys(("moves.js", "numbers.js", "panel.js", "points.js", "ranking.js", "readout.js", "view.js"), SCRIPT),
    "uplot/uPlot.iife.min.js": SCRIPT,
}


class Feed(Protocol):
    """What one visitor gets, beside the numbers that all get."""

    def heed(self, message: dict[str, Any]) -> None:
        """Take what the visitor wants to see."""
        ...

    def heed_panel(self, name: str, message: dict[str, Any]) -> None:
        """Take what a visitor who may act does with a panel of choices."""
        ...

    def close(self) -> None:
        """Leave what the visitor has open: he is gone."""
        ...

    def note_read(self, kind: str, now: float) -> None:
        """Note that the visitor has read the newest message of a kind."""
        ...

    def due(self, is_ready: Callable[[str], bool], now: float) -> Iterator[tuple[str, str | bytes]]:
        """Kind and content of what the visitor has not got yet, of the kinds that it is ready for."""
        ...


class Served(Protocol):
    """What a view gives the server.

    Attributes
    ----------
    token, reading_token : str
        Without one of which nothing is served; visitors with the second may look and ask for nothing.
    base : str
        Address of the page as others reach it, where a proxy stands before it; empty where none does.
    scheme : str
        "http" or "https".
    port : int
        The one that is used.
    public : bool
        Whether other machines are served too.
    theme : str
        Colours: "dark", or those that the visitor's system has.
    visitors : list of Visitor
        The pages that are open.
    report, snapshot : callable
        The report so far, as CSV; a picture saved, and its file.
    """

    token: str
    reading_token: str
    base: str
    scheme: str
    port: int
    public: bool
    theme: str
    visitors: list[Visitor]
    report: Callable[[], bytes]
    snapshot: Callable[[], Path]

    def picture(self, seen: tuple[int, int] | None = None) -> bytes:
        """A picture as PNG, saved nowhere: of the newest points, or from one stream index to another, outside."""

    def report_json(self) -> bytes:
        """The report so far, as JSON."""

    def seen_csv(self, first: int, end: int) -> bytes:
        """What is seen from one place to another, which is outside, as CSV."""

    def case(self, index: int) -> bytes:
        """The case file of the episode at a stream index, or the newest one before; raises OSError without one."""

    def new_feed(self) -> Feed:
        """What one more visitor gets."""

    def may_ask(self) -> bool:
        """Whether visitors may have one more picture or report now; counted."""

    def metrics(self) -> bytes:
        """The run's numbers, as Prometheus reads them."""

    def heed(self, visitor: Visitor, message: dict[str, Any]) -> None:
        """Act on one message of a visitor."""


def is_own_host(host: str, public: bool) -> bool:
    """Whether a Host header names this server; a foreign name that leads here is somebody else's trick.

    Where the page is public, any numeric address and the machine's own name will do: neither is a name
    that a stranger could have made lead here. The port says nothing: a tunnel may have another one.
    """
    name, colon, port = host.rpartition(":")
    if not colon or host.endswith("]"):
        name = host
    elif not (port.isascii() and port.isdecimal()):
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


def listen(port: int, public: bool) -> socket.socket:
    """A socket that waits for visitors; raises OSError, with a message for the user, where the port cannot be had."""
    try:
        listener = socket.create_server(("0.0.0.0" if public else "127.0.0.1", port), backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise OSError(f"cannot serve a page on port {port}: {reason}; choose another, or 0 for a free one") from error
    listener.setblocking(False)
    return listener


def bearer_token(authorization: str) -> bytes:
    """The token in an Authorization header; empty where there is none."""
    scheme, _, token = authorization.partition(" ")
    return token.strip().encode("utf-8", "replace") if scheme.lower() == "bearer" else b""


class Guarded(RequestHandler):
    """A request that is answered only if it has the token and does not come from another site."""

    view: Served

    def initialize(self, view: Served) -> None:
        """Take the view that this belongs to."""
        self.view = view
        self.may_act = False  # or only look

    def set_default_headers(self) -> None:
        """Allow nothing that is not needed."""
        self.clear_header("Server")
        for name, value in HEADERS.items():
            self.set_header(name, value)
        self.set_header("Content-Security-Policy", NOTHING_ALLOWED)

    def prepare(self) -> None:
        """Refuse visitors without the token."""
        view, headers = self.view, self.request.headers
        host = headers.get("Host", "")
        base = urlsplit(view.base)
        origins = {f"{view.scheme}://{host}", f"{base.scheme}://{base.netloc}"}
        self.may_act = secrets.compare_digest(self._token(), view.token.encode())
        if not (
            (is_own_host(host, view.public) or (view.base and host == base.netloc))
            and headers.get("Origin", f"{view.scheme}://{host}") in origins
            and (self.may_act or secrets.compare_digest(self._token(), view.reading_token.encode()))
        ):
            raise HTTPError(403)
        self.set_stranger(False)

    def set_stranger(self, is_stranger: bool) -> None:
        """Say whether the connection is closed first, if there are too many."""
        with suppress(AttributeError):  # it is gone already
            self.request.connection.stream.is_stranger = is_stranger  # type: ignore[union-attr]

    def _token(self) -> bytes:
        """The token of the address, else of the header, else of the cookie, which no other site may use."""
        headers = self.request.headers
        if "token" in self.request.query_arguments:
            return self.request.query_arguments["token"][-1]
        if "Authorization" in headers:
            return bearer_token(headers["Authorization"])
        is_own_site = headers.get("Sec-Fetch-Site", "none") in ("none", "same-origin")
        return (self.get_cookie(cookie_name(self.view.port), "") or "").encode() if is_own_site else b""

    def write_error(self, status_code: int, **reason: Any) -> None:
        """Say in plain text what to do."""
        text = reason.get("text") or {
            403: "open the address that the terminal shows, with all of its token",
            404: "there is no such page here",
            503: "too many pages are open",
            400: "a place in the stream must be a whole number",
            429: "too many pictures and reports were asked for; wait a minute",
        }.get(status_code, "this cannot be served")
        self.set_header("Content-Type", "text/plain; charset=UTF-8")
        self.finish(f"{status_code}: {text}\n")

    def stretch(self) -> tuple[int, int]:
        """Places of what a visitor sees, ``first`` and ``end`` of the address."""
        return self.place("first"), self.place("end")

    def place(self, name: str) -> int:
        """A place in the stream that the address names."""
        try:
            return max(0, min(int(self.get_query_argument(name)), LARGEST))
        except ValueError:
            raise HTTPError(400) from None

    def send_download(self, kind: str, name: str, content: Callable[[], bytes]) -> None:
        """Send a file for the visitor to keep, or say why it cannot be made."""
        if not self.view.may_ask():
            raise HTTPError(429)
        try:
            data = content()
        except OSError as error:
            self.send_error(500, text=str(error))
            return
        except MemoryError:
            self.send_error(500, text="there is not enough memory for it")
            return
        self.set_header("Content-Type", kind)
        self.set_header("Content-Disposition", f'attachment; filename="{name}"')
        self.finish(data)


class Page(Guarded):
    """The page itself."""

    def get(self) -> None:
        """Send it, with its own files allowed and nothing else."""
        live = f"connect-src 'self' ws://{self.request.host} wss://{self.request.host}"
        self.set_header("Content-Security-Policy", f"{NOTHING_ALLOWED}; {OWN_FILES}; {live}")
        # the token is left in neither the address nor the history: the page takes it out of both
        is_secure = (urlsplit(self.view.base).scheme or self.view.scheme) == "https"
        self.set_cookie(
            cookie_name(self.view.port),
            self.view.token if self.may_act else self.view.reading_token,
            path=urlsplit(self.view.base).path or "/",
            httponly=True,
            samesite="Strict",
            secure=is_secure,
        )
        page = (FOLDER / "page.html").read_text(encoding="utf-8")
        dark = "all" if self.view.theme == "dark" else "(prefers-color-scheme: dark)"
        filled = {"dark": dark, "acts": "yes" if self.may_act else "no"}
        filled |= {"reasons": "|".join(REASONS), "labels": "|".join(LABELS)}
        filled |= {name: (FOLDER / f"{name}.html").read_text(encoding="utf-8") for name in PARTS}
        for name, text in filled.items():
            page = page.replace(f"@{name}@", text)
        self.finish(page)


class PageFile(Guarded):
    """A file of the page."""

    def get(self, name: str) -> None:
        """Send it."""
        self.set_header("Content-Type", FILES[name])
        self.finish((FOLDER / name).read_bytes())


class Report(Guarded):
    """The report so far."""

    def get(self) -> None:
        """Send it as CSV."""
        self.send_download("text/csv; charset=UTF-8", "anomaly_report.csv", self.view.report)


class Anomalies(Guarded):
    """The report so far, for programs."""

    def get(self) -> None:
        """Send it as JSON."""
        self.send_download("application/json", "anomalies.json", self.view.report_json)


class Seen(Guarded):
    """What a visitor sees."""

    def get(self) -> None:
        """Send it as CSV; ``first`` and ``end`` say from where to where."""
        first, end = self.stretch()
        self.send_download("text/csv; charset=UTF-8", "seen.csv", lambda: self.view.seen_csv(first, end))


class CaseOfEpisode(Guarded):
    """A case file."""

    def get(self) -> None:
        """Send that of the episode at a stream index, ``at``, or of the newest one before."""
        at = self.place("at")
        self.send_download("application/zip", "case.zip", lambda: self.view.case(at))


class Picture(Guarded):
    """A picture: of a view; or of the newest points, which of a visitor who may act is saved by the run too."""

    def get(self) -> None:
        """Send it as PNG; ``first`` and ``end`` say from where to where."""
        if "first" in self.request.query_arguments:
            seen = self.stretch()
            self.send_download("image/png", "anomaly_graph.png", lambda: self.view.picture(seen))
            return
        saved = lambda: self.view.snapshot().read_bytes()  # noqa: E731
        self.send_download("image/png", "anomaly_graph.png", saved if self.may_act else self.view.picture)


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
    """One open page: gets what it wants to see, each kind of message anew only when it has read the one before.

    Attributes
    ----------
    feed : Feed
        What it gets.
    """

    feed: Feed

    def initialize(self, view: Served) -> None:
        """Start with nothing sent."""
        super().initialize(view)
        self._status = 0  # count of the newest one sent
        self._unread: set[str] = set()
        self._writing: set[str] = set()  # kinds that the system has not taken yet

    def prepare(self) -> None:
        """Refuse also what names no Origin: browsers always do."""
        super().prepare()
        if "Origin" not in self.request.headers:
            raise HTTPError(403)
        if len(self.view.visitors) >= self.settings["most_pages"]:
            self.set_stranger(True)
            raise HTTPError(503)  # or pages that stay open would leave no connection for short questions

    def check_origin(self, origin: str) -> bool:  # noqa: ARG002 - that of tornado knows of no proxy
        """``prepare`` has looked at it."""
        return True

    def open(self, *_args: str, **_named: str) -> None:
        """Count the visitor in."""
        self.set_nodelay(True)
        self.feed = self.view.new_feed()
        self.view.visitors.append(self)

    def on_close(self) -> None:
        """Forget the visitor."""
        if self in self.view.visitors:
            self.view.visitors.remove(self)
            self.feed.close()

    def on_message(self, message: str | bytes) -> None:
        """Pass on what can be understood."""
        try:
            found = json.loads(message, parse_int=float)  # an integer may be too large for any
        except (ValueError, RecursionError):
            return
        if isinstance(found, dict):
            self.view.heed(self, found)

    def is_ready(self, kind: str) -> bool:
        """Whether the visitor has read what was sent of this kind.

        What was sent and not taken by the network counts as unread, whatever the visitor says: it takes memory here.
        """
        return not {kind} & (self._unread | self._writing)

    def has_read(self, status: int) -> bool:
        """Whether the visitor has read all that was sent, and the numbers of that count among it."""
        return self._status == status and not self._unread

    def acknowledge(self, kind: str, now: float) -> None:
        """Note that the visitor has read what was sent of this kind."""
        if kind in self._unread:
            self._unread.discard(kind)
            self.feed.note_read(kind, now)

    def offer(self, status: int, content: str, now: float) -> None:
        """Send the numbers of that count and what is due of the feed, unless the visitor is still busy."""
        if self._status != status and self.is_ready("status"):
            self._status = status
            self._send("status", content)
        for kind, due in self.feed.due(self.is_ready, now):
            self._send(kind, due)

    def tell(self, notice: str) -> None:
        """Send a line for people, unless the visitor has not read the one before."""
        if self.is_ready("notice"):
            self._send("notice", json.dumps({"kind": "notice", "text": notice}))

    def _send(self, kind: str, content: str | bytes) -> None:
        try:
            written = self.write_message(content, binary=isinstance(content, bytes))
        except WebSocketClosedError:
            return  # on_close follows
        self._unread.add(kind)
        self._writing.add(kind)

        def taken(future: asyncio.Future[None]) -> None:
            self._writing.discard(kind)
            if not future.cancelled():
                future.exception()  # a visitor that goes away meanwhile is no fault of the run's

        written.add_done_callback(taken)


ROUTES: dict[str, type[RequestHandler]] = {
    "/": Page,
    f"/({'|'.join(map(re.escape, FILES))})": PageFile,
    "/live": Visitor,
    "/anomalies.json": Anomalies,
    "/case.zip": CaseOfEpisode,
    "/metrics": Metrics,
    "/picture.png": Picture,
    "/report.csv": Report,
    "/seen.csv": Seen,
}


class PageServer(HTTPServer):
    """A server with a limit of its own on connections: beyond it the oldest stranger's is closed for a new one.

    A stranger is a connection that has not shown a token. Where no connection can be accepted, as where the program
    has no descriptor left, none is for ACCEPT_PAUSE seconds, without a word: strangers could have it said for ever.

    Attributes
    ----------
    listener : socket
        Waits for visitors.
    most : int
        Connections at once.
    """

    listener: socket.socket
    most: int
    _taken: list[IOStream]

    def serve(self, listener: socket.socket, most: int) -> None:
        """Accept connections, at most so many at once, in the event loop that runs."""
        self.listener, self.most, self._taken = listener, max(1, min(most, most_connections())), []
        self._listen()

    @property
    def connections(self) -> list[IOStream]:
        """Those that are open, the oldest first."""
        return [stream for stream in self._taken if not stream.closed()]

    def stop(self) -> None:
        """Accept no more."""
        asyncio.get_running_loop().remove_reader(self.listener)
        self.listener.close()

    def handle_stream(self, stream: IOStream, address: tuple[Any, ...]) -> None:
        """Take a connection, if there are not too many."""
        self._taken = self.connections
        if len(self._taken) >= self.most:
            stranger = next((other for other in self._taken if getattr(other, "is_stranger", True)), stream)
            stranger.close()
            if stranger is stream:
                return
        self._taken.append(stream)
        super().handle_stream(stream, address)

    def _listen(self) -> None:
        if self.listener.fileno() >= 0:
            asyncio.get_running_loop().add_reader(self.listener, self._accept)

    def _accept(self) -> None:
        for _ in range(BACKLOG):
            try:
                connection, address = self.listener.accept()
            except (BlockingIOError, ConnectionAbortedError, InterruptedError):
                return
            except OSError:
                loop = asyncio.get_running_loop()
                loop.remove_reader(self.listener)
                loop.call_later(ACCEPT_PAUSE, self._listen)
                return
            connection.setblocking(False)
            self._handle_connection(connection, address)


def most_connections() -> int:
    """As many connections as the program's limit of descriptors allows, beside files and commands; at least 0."""
    if sys.platform == "win32":
        return MOST_VISITORS * 4
    import resource  # noqa: PLC0415 - not on Windows

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return sys.maxsize
    return max(0, min(soft // DESCRIPTORS_SHARE, soft - open_descriptors() - DESCRIPTORS_KEPT))


def open_descriptors() -> int:
    """How many the program has open now; 0 where the system does not tell."""
    try:
        return len(os.listdir("/dev/fd"))  # noqa: PTH208 - of Linux and macOS
    except OSError:
        return 0


def tls_context(certificate: Path, key: Path | None) -> ssl.SSLContext:
    """What a server shows its certificate with; raises OSError, with a message for the user, where it cannot."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # without the password function a key with a password would be asked for at the terminal
        context.load_cert_chain(certificate, key, password=lambda: "")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or getattr(error, "reason", None) or str(error)
        raise OSError(f"the certificate {certificate} cannot be used: {reason}") from error
    return context


def new_server(
    view: Served,
    listener: socket.socket,
    most: int = MOST_VISITORS,
    tls: ssl.SSLContext | None = None,
    more: Mapping[str, type[RequestHandler]] = MappingProxyType({}),
) -> PageServer:
    """Serve a view on a socket, to so many visitors at once, in the event loop that runs; ``more``: further routes."""
    routes: list[Any] = [(path, kind, {"view": view}) for path, kind in {**ROUTES, **more}.items()]
    application = Application(
        routes,
        default_handler_class=Missing,
        default_handler_args={"view": view},
        log_function=lambda _handler: None,  # it would write addresses, with the token, to the terminal
        most_pages=max(1, PAGES_SHARE * min(most, most_connections()) // 100),
        websocket_ping_interval=PING_SECONDS,
        websocket_ping_timeout=PING_SECONDS,
        websocket_max_message_size=LARGEST_MESSAGE,
    )
    log = logging.getLogger("tornado")  # its lines would hold addresses, with the token, and what strangers sent
    log.addHandler(logging.NullHandler())
    log.propagate = False
    server = PageServer(
        application,
        ssl_options=tls,
        max_body_size=LARGEST_MESSAGE,
        max_header_size=16_384,
        max_buffer_size=READ_BUFFER,
        idle_connection_timeout=60,
        body_timeout=10,
    )
    server.serve(listener, most)
    return server


def cookie_name(port: int) -> str:
    """Name of the cookie that holds the token: a browser sends those of one machine to all of its ports."""
    return f"streamforest-{port}"

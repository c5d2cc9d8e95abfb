"""What programs post to a run and ask it for, over HTTP: readings, streams, episodes, verdicts, events as they come."""

from __future__ import annotations

import asyncio
import hashlib
import time
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

import orjson
from tornado.iostream import StreamClosedError
from tornado.web import HTTPError, stream_request_body

from streamforest.connections.batches import Batch, BatchQueue, Form, Outcome
from streamforest.optional import MissingPackageError
from streamforest.protocols import Status, VerdictMemory, Verdicts
from streamforest.reading.bodies import MOST_BYTES
from streamforest.reading.remote_write import check_packages
from streamforest.verdicts.ranking import StreamRanking
from streamforest.verdicts.served import Range, ServedVerdicts
from streamforest.views.openapi import openapi, page_of
from streamforest.views.page_server import NOTHING_ALLOWED, OWN_FILES, Guarded, Served

#: Digits of a length that are looked at.
LONGEST_LENGTH = 20
#: Seconds after which those who have to wait try again.
RETRY_AFTER = 1
#: Verdicts, episodes or streams in one answer, and where nobody says how many.
MOST_ROWS, USUAL_ROWS = 10_000, 100
#: Characters of an id and of a client's name.
LONGEST_ID = 200
#: Seconds between two signs of life where nothing happens.
HEARTBEAT = 15.0
_CODES = {"judged": 200, "kept": 202, "unread": 400, "postponed": 503}


class Api(NamedTuple):
    """What a run gives to programs.

    Attributes
    ----------
    queue : BatchQueue
        Takes what is posted.
    served : ServedVerdicts
        What is asked for.
    as_lines : callable
        Verdicts as JSON, each on a line.
    """

    queue: BatchQueue
    served: ServedVerdicts
    as_lines: Callable[[Verdicts], str]


class ServingView(Served, Protocol):
    """A view with what programs may do.

    Attributes
    ----------
    api : Api
        What they may.
    answering : int
        Requests whose batch is not judged yet.
    """

    api: Api
    answering: int

    def streams(self, first: int, most: int) -> list[dict[str, Any]]:
        """The streams from a place of the ranking on, at most so many."""


class ApiRequest(Guarded):
    """A request of a program: what is wrong is said in JSON."""

    view: ServingView

    def write_error(self, status_code: int, **reason: Any) -> None:
        """Say what is wrong."""
        error = reason.get("exc_info", (None, None))[1]
        text = getattr(error, "log_message", None) or {
            400: "the request cannot be understood",
            403: "send the token, as Authorization: Bearer TOKEN; the one to look at only posts nothing",
            404: "there is no such thing here",
            405: "there is no such method here; /api says what there is",
        }.get(status_code, "this cannot be served")
        self.send(status_code, {"error": text})

    def send(self, code: int, content: Any, more: bytes = b"") -> None:
        """Send JSON; ``more`` is further text behind the content of an object."""
        self.set_status(code)
        if code in (429, 503):
            self.set_header("Retry-After", str(RETRY_AFTER))
        self.set_header("Content-Type", "application/json")
        raw = orjson.dumps(content)
        self.finish(raw[:-1] + more + raw[-1:] + b"\n")

    def number(self, name: str, default: Any = None, kind: type = int) -> Any:
        """A number of the query; HTTPError 400 where it is none."""
        text = self.get_query_argument(name, None)
        if text is None:
            return default
        try:
            found = kind(text)
        except (ValueError, OverflowError):
            found = None
        if found is None or found != found or abs(found) > 2**53:
            raise HTTPError(400, f"{name} must be a number")
        return found

    def choice(self, name: str, *allowed: str) -> str:
        """One of several words of the query, the first where it has none."""
        found = self.get_query_argument(name, allowed[0])
        if found not in allowed:
            raise HTTPError(400, f"{name} must be one of {', '.join(allowed)}")
        return found

    def most(self) -> int:
        """How many rows are wanted."""
        return int(max(1, min(self.number("most", USUAL_ROWS), MOST_ROWS)))

    def range(self) -> Range:
        """What of all is wanted."""
        since, until = (self.number(name, None, float) for name in ("since", "until"))
        key = self.get_query_argument("key", None, strip=False)
        return Range(key, since, until, self.number("first"), self.number("end"))


@stream_request_body
class Post(ApiRequest):
    """A batch of readings."""

    form: Form = "text"

    def initialize(self, view: Served) -> None:
        """Start with nothing of the body."""
        super().initialize(view)
        self._body = bytearray()

    def prepare(self) -> None:
        """Refuse who may not act, and what is too long, before its body comes."""
        super().prepare()
        if self.request.method == "POST":
            if not self.may_act:
                raise HTTPError(403)
            length = self.request.headers.get("Content-Length", "0")
            if not (length.isascii() and length.isdecimal()):
                raise HTTPError(400, "Content-Length must be a number")
            if len(length) > LONGEST_LENGTH or int(length) > MOST_BYTES:
                raise HTTPError(413, f"a request has at most {MOST_BYTES:,} bytes: send several")
            self.request.connection.set_max_body_size(MOST_BYTES)  # type: ignore[union-attr]

    def data_received(self, chunk: bytes) -> None:
        """Take the next bytes of the body."""
        self._body += chunk

    async def post(self) -> None:
        """Have the batch judged, and say what became of it."""
        wanted = self.choice("verdicts", "anomalies", "all", "none")
        batch = Batch(self.unpacked(), time.time(), self.form, *self.name())
        queue = self.view.api.queue
        if not queue.put(batch):
            self.refuse(queue.is_full)
            return
        self.view.answering += 1
        try:
            outcome = await asyncio.wrap_future(batch.outcome)
        finally:
            self.view.answering -= 1
        with suppress(StreamClosedError):
            self.reply(outcome, wanted)

    def refuse(self, is_full: bool) -> None:
        """Say that the batch was not taken."""
        text = "more is posted than can be judged: send it again later" if is_full else "the run is ending"
        self.send(429 if is_full else 503, {"error": text})

    def name(self) -> tuple[str, str]:
        """Who sent the batch, and its id."""
        headers = self.request.headers
        names = headers.get("X-Client", self.request.remote_ip or ""), headers.get("Idempotency-Key", "")
        if max(map(len, names)) > LONGEST_ID:
            raise HTTPError(400, f"an id and a client's name have at most {LONGEST_ID} characters")
        return names

    def unpacked(self) -> bytes:
        """The body; HTTPError where it is packed in a way that is not known or longer than may be."""
        packing = self.request.headers.get("Content-Encoding", "identity").lower()
        if packing == "identity":
            return bytes(self._body)
        if packing != "gzip":
            raise HTTPError(415, "a body may be packed by gzip only")
        try:
            unpacking = zlib.decompressobj(31)
            body = unpacking.decompress(bytes(self._body), MOST_BYTES)
        except zlib.error:
            raise HTTPError(400, "the body is not packed by gzip") from None
        if unpacking.unconsumed_tail:
            raise HTTPError(413, f"a request has at most {MOST_BYTES:,} bytes unpacked: send several")
        if not unpacking.eof:
            raise HTTPError(400, "the body is cut off")
        return body

    def reply(self, outcome: Outcome, wanted: str) -> None:
        """Say what became of the batch."""
        if outcome.state != "judged":
            self.send(_CODES[outcome.state], {"state": outcome.state, "error": outcome.error})
            return
        refusals = [{"where": where, "reason": reason} for where, reason in outcome.refusals]
        counts = {"points": outcome.points, "anomalies": outcome.anomalies, "refused": outcome.refused}
        facts = {"state": outcome.state, "repeated": outcome.is_repeated, **counts, "refusals": refusals}
        found = [
            verdicts if wanted == "all" else verdicts[verdicts["is_anomaly"]]
            for verdicts in outcome.verdicts
            if wanted != "none"
        ]
        self.send(200, facts, rows_of(self.view.api, found))


class RemoteWrite(Post):
    """A request of Prometheus' remote write."""

    form: Form = "remote-write"

    def refuse(self, is_full: bool) -> None:  # noqa: ARG002 - Prometheus drops what is refused by 429
        """Say that the batch was not taken."""
        self.send(503, {"error": "more is posted than can be judged, or the run is ending"})

    def name(self) -> tuple[str, str]:
        """The request that is sent again has the same bytes."""
        return self.request.remote_ip or "", hashlib.sha256(self._body).hexdigest()

    def unpacked(self) -> bytes:
        """The body as it came."""
        try:
            check_packages()
        except MissingPackageError as error:
            raise HTTPError(501, str(error).replace("%", "%%")) from None
        return bytes(self._body)

    def reply(self, outcome: Outcome, wanted: str) -> None:
        """Say whether the batch was taken: Prometheus reads no more than that."""
        if outcome.state in ("judged", "kept"):
            self.set_status(204)
            self.finish()
        else:
            super().reply(outcome, wanted)


class Streams(ApiRequest):
    """The streams that there are."""

    def get(self) -> None:
        """Send them, the worst first."""
        first, most = max(0, self.number("first", 0)), self.most()
        self.send(200, {"streams": self.view.streams(first, most)})


def streams_of(memory: VerdictMemory, status: Status, first: int, most: int) -> list[dict[str, Any]]:
    """The streams from a place of the ranking on, at most so many; of a run with one stream that one, without a key."""
    if isinstance(memory, StreamRanking):
        ranks = memory.ranks(first, most)
        return [{name: value for name, value in rank._asdict().items() if name != "number"} for rank in ranks]
    newest = memory.newest(1)
    time_of = float(newest["time"][0]) if len(newest) else None
    one = {"key": None, "points": status.points, "anomalies": status.anomalies, "episodes": status.episodes}
    return [one | {"time": time_of}][first:most]


class Episodes(ApiRequest):
    """The episodes."""

    def get(self) -> None:
        """Send the newest event of each, the newest first."""
        self.send(200, {"episodes": self.view.api.served.episodes(self.range(), self.most())})


class VerdictRows(ApiRequest):
    """The newest verdicts."""

    def get(self) -> None:
        """Send them, oldest first."""
        api = self.view.api
        found = api.served.verdicts(self.range(), self.most())
        self.send(200, {"count": len(found)}, rows_of(api, [found]))


def rows_of(api: Api, blocks: Sequence[Verdicts]) -> bytes:
    """Verdicts as a further member of a JSON object."""
    lines = "".join(api.as_lines(verdicts) for verdicts in blocks if len(verdicts))
    return b',"verdicts":[' + ",".join(lines.splitlines()).encode() + b"]"


class Events(ApiRequest):
    """What happens, as it happens."""

    async def get(self) -> None:
        """Send server-sent events until one of the two goes away."""
        wanted, key = self.choice("what", "episodes", "anomalies", "verdicts"), self.range().key
        served, view = self.view.api.served, self.view
        if len(view.visitors) + served.listeners >= self.settings["most_pages"]:
            raise HTTPError(503, "too many pages and listeners are open")
        woken, loop = asyncio.Event(), asyncio.get_running_loop()

        def wake() -> None:
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(woken.set)

        self.set_header("Content-Type", "text/event-stream")
        listener = served.listen(wake, wanted != "episodes")
        try:
            self.write(": \n\n")
            await self.flush()
            while True:
                woken.clear()
                items, left_out = listener.take()
                text = f"event: left-out\ndata: {left_out}\n\n" if left_out else ""
                text += "".join(self.text_of(item, wanted, key) for item in items)
                if text:
                    self.write(text)
                    await self.flush()
                try:
                    async with asyncio.timeout(HEARTBEAT):
                        await woken.wait()
                except TimeoutError:
                    self.write(": \n\n")
                    await self.flush()
        except StreamClosedError:
            pass
        finally:
            served.forget(listener)

    def text_of(self, item: Any, wanted: str, key: str | None) -> str:
        """An item as events, as far as it is wanted."""
        if isinstance(item, dict):
            if wanted != "episodes" or (key is not None and item.get("key") != key):
                return ""
            return f"event: {item['event']}\nid: {item['id']}\ndata: {orjson.dumps(item).decode()}\n\n"
        found = item[item["is_anomaly"]] if wanted == "anomalies" else item
        lines = self.view.api.as_lines(found).splitlines() if len(found) else []
        if key is not None:
            lines = [line for line in lines if orjson.loads(line).get("key") == key]
        return "".join(f"event: verdict\ndata: {line}\n\n" for line in lines)


class OpenApi(ApiRequest):
    """What there is, for programs."""

    def get(self) -> None:
        """Send the document."""
        self.send(200, openapi(place_of(self.view)))


class ApiPage(Guarded):
    """What there is, for people."""

    view: ServingView

    def get(self) -> None:
        """Send the page, which has no script."""
        self.set_header("Content-Security-Policy", f"{NOTHING_ALLOWED}; {OWN_FILES}")
        self.finish(page_of(openapi(place_of(self.view)), self.view.theme))


def place_of(view: Served) -> str:
    """Where the server is, as others reach it."""
    return view.base or f"{view.scheme}://127.0.0.1:{view.port}"


#: What a run that is served has beside its page.
API_ROUTES = {
    "/readings": Post,
    "/api/v1/write": RemoteWrite,
    "/streams": Streams,
    "/episodes": Episodes,
    "/verdicts": VerdictRows,
    "/events": Events,
    "/openapi.json": OpenApi,
    "/api": ApiPage,
}

"""A Prometheus server's answer to a query, asked for again and again."""

from __future__ import annotations

import base64
import http.client
import json
import math
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from streamforest.connections.addresses import read_address
from streamforest.connections.deadline import Deadline
from streamforest.connections.reconnecting import FIRST_LIMIT, Connection, Silence, UnreachableError, polled
from streamforest.protocols import Reading, Refusal, SourceError, Stop
from streamforest.text import shown

#: Seconds between two questions where no other interval is chosen.
INTERVAL = 15.0

PORTS = {"http": 80, "https": 443}
USAGE = "write prometheus:http://HOST:9090?query=QUERY"
# Bytes of an answer that are read: many more than a single series needs, or some hundred thousand of them.
_LIMIT, _LIMIT_OF_MANY = 2**20, 2**26
_NAMED = 5  # series that a message names
_LONGEST = 200  # characters of what a server says, in a message


class PrometheusSource:
    """The value of a query that gives one series, or a scalar; with a key column those of all its series.

    No series at all is a missing reading; of many streams it is none.

    Parameters
    ----------
    word : str
        ``prometheus:http[s]://[user[:password]@]host[:port][/path]?query=QUERY``; the query is all that follows, as it
        is typed into Prometheus, and may have ``%XX`` in it.
    notify : callable
        Takes a line for people.
    interval : float, optional
        Seconds between two questions; INTERVAL without it.
    key_column : str, optional
        The label whose value says which stream a series is.

    Raises
    ------
    SourceError
        The address has no query, or is none.
    """

    live = True

    def __init__(
        self, word: str, notify: Callable[[str], None], interval: float | None = None, key_column: str | None = None
    ) -> None:
        base, mark, query = word.partition(":")[2].partition("?query=")
        scheme = base.partition("://")[0].lower()
        if scheme not in PORTS or not mark or not query.strip():
            raise SourceError(f"prometheus: the address needs http:// or https:// and a query; {USAGE}")
        address = read_address(base, PORTS[scheme])
        path = address.rest.strip("/").removesuffix("graph").removesuffix("api/v1/query").strip("/")
        root = f"{scheme}://{address.place}" + (f"/{path}" if path else "")
        self._query = urllib.parse.unquote(query)
        self.name = f"prometheus:{root}?query={self._query}"
        self._url = f"{root}/api/v1/query?{urllib.parse.urlencode({'query': self._query})}"
        self._headers = {"Accept": "application/json", "User-Agent": "streamforest"}
        if address.user is not None:
            secret = base64.b64encode(f"{address.user}:{address.password or ''}".encode())
            self._headers["Authorization"] = f"Basic {secret.decode()}"
        self._key_column = key_column
        self._limit = _LIMIT if key_column is None else _LIMIT_OF_MANY
        self._notify = notify
        self._interval = interval or INTERVAL
        self._connection = Connection(self.name, notify)
        self._last: tuple[float, float] | None = None  # time of the newest answer, by its clock and by this one

    def describe(self) -> str:
        """The query, in words."""
        return f"the value of {shown(self._query)}"

    def read(self, stop: Stop, most: int) -> Iterator[list[Reading | Refusal]]:  # noqa: ARG002 - there is one at a time
        """Yield the value each time it was asked for, and missing readings where there is no answer for long.

        Raises
        ------
        SourceError
            There was no answer within FIRST_LIMIT, or the first one is an error or has more than one series.
        """
        silence = Silence(self.name, self._notify, self._interval, is_judged=self._key_column is None)

        def missed(has_come: bool) -> Reading | None:
            if has_come:
                silence.arrived()
            return Reading(None, self._now()) if not has_come and silence.is_gap() else None

        self._connection = Connection(self.name, self._notify)
        return polled(self._ask, self._interval, self._connection, missed, stop)

    def close(self) -> None:
        """Nothing is held between two questions."""

    def _now(self) -> float:
        """The server's clock, as well as it is known: it must not seem to go back."""
        return time.time() if self._last is None else self._last[0] + time.monotonic() - self._last[1]

    def _ask(self) -> list[Reading | Refusal]:
        request = urllib.request.Request(self._url, headers=self._headers)
        deadline = Deadline(FIRST_LIMIT)
        opener = urllib.request.build_opener(_OwnPlaceOnly, *deadline.handlers())
        try:
            with deadline:
                try:
                    with opener.open(request, timeout=FIRST_LIMIT) as answer:
                        body = answer.read(self._limit + 1)
                except urllib.error.HTTPError as error:
                    with error:
                        self._complain(error)
            if deadline.is_over:  # the end of the connection may pass for that of the answer
                raise TimeoutError
        except (OSError, http.client.HTTPException, ValueError) as error:
            if deadline.is_over:
                raise UnreachableError(f"the server gave no whole answer within {FIRST_LIMIT:.0f} s") from None
            reason = getattr(error, "reason", error)
            raise UnreachableError(_cut(str(getattr(reason, "strerror", None) or reason))) from None
        return self._read(body)

    def _complain(self, error: urllib.error.HTTPError) -> NoReturn:
        """Raise what an error's status and body tell."""
        try:
            said = json.loads(error.read(_LIMIT))["error"]
        except (OSError, ValueError, LookupError, TypeError, http.client.HTTPException):
            said = error.reason
        why = f"the server answers {error.code}: {_cut(str(said))}"
        if error.code in {400, 401, 403, 404} and not self._connection.was_made:
            raise SourceError(f"{self.name}: {why}")
        raise UnreachableError(why)

    def _read(self, body: bytes) -> list[Reading | Refusal]:
        """The readings that an answer holds."""
        try:
            found = json.loads(body)["data"]
            kind, result = found["resultType"], found["result"]
            if kind == "vector" and self._key_column is not None:
                return self._read_all(result)
            if kind == "vector" and not result:
                return [Reading(None, self._now())]
            if kind == "scalar" or (kind == "vector" and len(result) == 1):
                at, value = result if kind == "scalar" else result[0]["value"]
                return [self._reading(at, value)]
            series = [_series(one.get("metric", {})) for one in result] if kind in {"vector", "matrix"} else []
        except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError):
            if len(body) > self._limit:
                return self._refuse(f"an answer of more than {self._limit} bytes; ask for fewer series")
            return self._refuse("the answer is none of Prometheus; is the address right?")
        if kind == "vector":
            more = f" and {len(series) - _NAMED} more" if len(series) > _NAMED else ""
            named = _cut(", ".join(series[:_NAMED])) + more
            return self._refuse(
                f"the query gives {len(series)} series: {named}; choose one by its labels, make one of them, "
                "as with sum(...), avg(...) or max(...), or watch all: --key-column LABEL"
            )
        kind = _cut(str(kind))
        return self._refuse(f"the query gives a {kind}, not a number; a range as [5m] needs a function, as rate(...)")

    def _read_all(self, result: list[dict[str, Any]]) -> list[Reading | Refusal]:
        """The readings of all series, each with its key."""
        keys = [_key_of(one, self._key_column or "") for one in result]
        given = [key for key in keys if key is not None]
        twice = next((key for key, count in Counter(given).items() if count > 1), None)
        if twice is not None:
            label = self._key_column
            return self._refuse(
                f"{given.count(twice)} series have {label}={shown(twice)}; make one of them, as with sum by ({label})"
            )
        return [self._read_one(one, key) for one, key in zip(result, keys, strict=True)]

    def _read_one(self, series: dict[str, Any], key: Any) -> Reading | Refusal:
        """The reading of one series among many: where it is wrong, the others are right all the same."""
        try:
            at, value = series["value"]
            return self._reading(at, value, key)
        except (ValueError, LookupError, TypeError, ArithmeticError):
            return Refusal(f"series {shown(key)}", "it has no sample: a time and a number")

    def _reading(self, at: float, value: str, key: str | None = None) -> Reading:
        self._last = float(at), time.monotonic()
        return Reading("nan" if math.isnan(float(value)) else value, float(at), key=key)

    def _refuse(self, why: str) -> list[Reading | Refusal]:
        """An answer that cannot be judged; where it is the first, the query or the address is wrong."""
        if not self._connection.was_made:
            raise SourceError(f"{self.name}: {why}")
        return [Refusal("an answer", why)]


class _OwnPlaceOnly(urllib.request.HTTPRedirectHandler):
    """Follows a server that sends on to another page of its own, never to another server: the password is for it."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if urllib.parse.urlsplit(newurl)[:2] != urllib.parse.urlsplit(req.full_url)[:2]:
            return None  # which makes the answer an error
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _key_of(series: Any, label: str) -> str | None:
    """The key of a series; None where it has none, or is none."""
    metric = series.get("metric") if isinstance(series, dict) else None
    key = metric.get(label) if isinstance(metric, dict) else None
    return key if isinstance(key, str) else None


def _cut(text: str) -> str:
    """What a server says, no longer than a line."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _series(labels: dict[str, Any]) -> str:
    """A series as Prometheus writes it."""
    inner = ", ".join(f'{name}="{value}"' for name, value in labels.items() if name != "__name__")
    return f"{labels.get('__name__', '')}{{{inner}}}"

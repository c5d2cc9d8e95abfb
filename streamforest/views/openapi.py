"""What programs may ask of a run that is served: as an OpenAPI document, and as a page made of it."""

from __future__ import annotations

import html
from typing import Any

import streamforest

_NUMBER, _TEXT, _WHOLE = {"type": "number"}, {"type": "string"}, {"type": "integer"}
_MAYBE = {"type": ["number", "null"]}

_READING = {
    "type": "object",
    "required": ["value"],
    "properties": {
        "value": {"type": ["number", "string", "null"], "description": "null: a missing reading"},
        "time": {
            "type": ["number", "string", "null"],
            "description": "ISO 8601, or seconds, milli-, micro- or nanoseconds since 1970; else the time of arrival",
        },
        "key": {"type": "string", "description": "the stream, where the run has --key-column key"},
        "label": {"type": ["string", "integer", "null"], "description": "ground truth, if there is any"},
    },
}
_VERDICT = {
    "type": "object",
    "properties": {
        "key": _TEXT,
        "index": _WHOLE,
        "time": _MAYBE,
        "value": _MAYBE,
        "label": {"type": ["string", "null"]},
        "score": _MAYBE,
        "threshold": _MAYBE,
        "p_value": _MAYBE,
        "is_anomaly": {"type": "boolean"},
        "expected": _MAYBE,
        "lower": _MAYBE,
        "upper": _MAYBE,
        "episode": {"type": ["integer", "null"]},
        "reason": _TEXT,
    },
}
_OUTCOME = {
    "type": "object",
    "properties": {
        "state": {"type": "string", "enum": ["judged", "kept"]},
        "repeated": {"type": "boolean", "description": "whether the batch of this id was judged before"},
        "points": {**_WHOLE, "description": "readings that were judged"},
        "anomalies": _WHOLE,
        "refused": {**_WHOLE, "description": "readings that were not judged"},
        "refusals": {
            "type": "array",
            "items": {"type": "object", "properties": {"where": _TEXT, "reason": _TEXT}},
        },
        "verdicts": {"type": "array", "items": {"$ref": "#/components/schemas/Verdict"}},
    },
}


def _asked(name: str, what: str, schema: dict[str, Any], place: str = "query") -> dict[str, Any]:
    return {"name": name, "in": place, "description": what, "schema": schema}


_RANGE = [
    _asked("key", "Of this stream only.", _TEXT),
    _asked("since", "From this time on: seconds since 1970, UTC.", _NUMBER),
    _asked("until", "Up to this time.", _NUMBER),
]
_MOST = _asked("most", "How many at most: 100 without it, up to 10,000.", {**_WHOLE, "default": 100})
_BAD = {"description": "The request cannot be understood; error says why."}
_FORBIDDEN = {"description": "The token is missing, wrong, or one to look at only."}
_LATER = {"description": "Too much waits to be judged: send it again after Retry-After seconds."}
_ENDING = {"description": "The run is ending, or its disk is full: send it again after Retry-After seconds."}


def _json(what: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": what, "content": {"application/json": {"schema": schema}}}


def _rows(what: str, name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "200": _json(what, {"type": "object", "properties": {name: {"type": "array", "items": schema}}}),
        "400": _BAD,
        "403": _FORBIDDEN,
    }


def openapi(place: str) -> dict[str, Any]:
    """The document of a server at a place, ``http://HOST:PORT[/PREFIX]``."""
    auth = '-H "Authorization: Bearer $TOKEN"'
    paths = {
        "/readings": {
            "post": {
                "description": "Judges a batch of readings, and answers when they are judged and, with --checkpoint, "
                "on the disk. What the body is, its content says: JSON (a reading, a list of them, or Telegraf's "
                "metrics), JSON Lines, CSV with a header, one number a line, InfluxDB line protocol, Prometheus or "
                "Graphite lines.",
                "parameters": [
                    _asked("verdicts", "Which come back: anomalies, all or none.", _TEXT),
                    _asked(
                        "Idempotency-Key", "Id of the batch: one that is sent again is judged once.", _TEXT, "header"
                    ),
                    _asked("X-Client", "Who sends it, by which ids are kept apart; else the address.", _TEXT, "header"),
                    _asked("Content-Encoding", "gzip, or nothing.", _TEXT, "header"),
                ],
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {
                            "schema": {
                                "oneOf": [
                                    {"$ref": "#/components/schemas/Reading"},
                                    {"type": "array", "items": {"$ref": "#/components/schemas/Reading"}},
                                ]
                            }
                        },
                        "text/plain": {"schema": _TEXT},
                        "text/csv": {"schema": _TEXT},
                    },
                },
                "responses": {
                    "200": _json("The readings are judged.", {"$ref": "#/components/schemas/Outcome"}),
                    "202": {"description": "The batch is on the disk; the next run judges it."},
                    "400": {"description": "Nothing of the body can be read; error says why."},
                    "403": _FORBIDDEN,
                    "413": {"description": "The body is longer than 8 MiB."},
                    "429": _LATER,
                    "503": _ENDING,
                },
                "x-example": f'curl {auth} {place}/readings -d \'{{"key": "pump 1", "value": 21.5}}\'',
            }
        },
        "/api/v1/write": {
            "post": {
                "description": "Takes the samples of Prometheus' remote write, version 1; each series is a stream. "
                "Needs the packages of streamforest[remote-write].",
                "responses": {
                    "204": {"description": "The samples are judged."},
                    "400": _BAD,
                    "403": _FORBIDDEN,
                    "501": {"description": "The packages are not installed."},
                    "503": {"description": "As 429 and 503 above: Prometheus sends it again."},
                },
                "x-example": f"remote_write:\n  - url: {place}/api/v1/write\n    authorization:\n"
                "      credentials_file: token.act",
            }
        },
        "/streams": {
            "get": {
                "description": "The streams, the worst first.",
                "parameters": [_asked("first", "How many are passed over.", _WHOLE), _MOST],
                "responses": _rows("The streams.", "streams", {"type": "object"}),
                "x-example": f"curl {auth} {place}/streams?most=10",
            }
        },
        "/episodes": {
            "get": {
                "description": "The newest event of each of the newest 10,000 episodes, the newest episode first.",
                "parameters": [*_RANGE, _MOST],
                "responses": _rows("The episodes.", "episodes", {"type": "object"}),
                "x-example": f"curl {auth} '{place}/episodes?key=pump%201'",
            }
        },
        "/verdicts": {
            "get": {
                "description": "The newest verdicts that are kept (--history, of all streams together), oldest first.",
                "parameters": [
                    *_RANGE,
                    _asked("first", "From this index of the stream on.", _WHOLE),
                    _asked("end", "Up to this index, which is outside.", _WHOLE),
                    _MOST,
                ],
                "responses": _rows("The verdicts.", "verdicts", {"$ref": "#/components/schemas/Verdict"}),
                "x-example": f"curl {auth} '{place}/verdicts?key=pump%201&most=1000'",
            }
        },
        "/events": {
            "get": {
                "description": "Server-sent events as things happen: start, worse and end of episodes, or verdicts. "
                "For one who reads too slowly the oldest are left out; an event left-out says how many.",
                "parameters": [
                    _asked("what", "episodes, anomalies or verdicts.", _TEXT),
                    _asked("key", "Of this stream only.", _TEXT),
                ],
                "responses": {
                    "200": {"description": "The events.", "content": {"text/event-stream": {"schema": _TEXT}}},
                    "400": _BAD,
                    "403": _FORBIDDEN,
                    "503": {"description": "Too many pages and listeners are open."},
                },
                "x-example": f"curl -N {auth} {place}/events?what=anomalies",
            }
        },
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "streamforest serve",
            "version": streamforest.__version__,
            "description": "Readings in, verdicts out. Every request needs a token; only the one that acts may post.",
        },
        "servers": [{"url": place}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Reading": _READING, "Verdict": _VERDICT, "Outcome": _OUTCOME},
        },
    }


def page_of(document: dict[str, Any], theme: str) -> str:
    """A document as a page to read, without a script."""
    info = document["info"]
    sections = "".join(
        _section(f"{method.upper()} {path}", what)
        for path, methods in document["paths"].items()
        for method, what in methods.items()
    )
    title = html.escape(info["title"])
    return (
        f'<!doctype html><html lang="en" data-theme="{html.escape(theme)}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f'<title>{title}</title><link rel="stylesheet" href="page.css"><link rel="stylesheet" href="api.css"></head>'
        f'<body id="api"><main><h1>{title}</h1><p>{html.escape(info["description"])}</p>'
        f'<p><a href="./">The live view</a>, <a href="openapi.json">openapi.json</a></p>{sections}</main></body></html>'
    )


def _section(heading: str, what: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><th scope=row><code>{html.escape(one['name'])}</code></th><td>{html.escape(one['in'])}</td>"
        f"<td>{html.escape(one['description'])}</td></tr>"
        for one in what.get("parameters", ())
    )
    answers = "".join(
        f"<tr><th scope=row><code>{code}</code></th><td>answer</td><td>{html.escape(answer['description'])}</td></tr>"
        for code, answer in what["responses"].items()
    )
    return (
        f"<section><h2><code>{html.escape(heading)}</code></h2><p>{html.escape(what['description'])}</p>"
        f"<pre tabindex=0>{html.escape(what['x-example'])}</pre><table>{rows}{answers}</table></section>"
    )

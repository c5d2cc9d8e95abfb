"""Lines that name their own values: JSON, Influx line protocol, Graphite, StatsD, Prometheus, logfmt."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Fields = dict[str, Any]

#: Names of what every line of a metrics protocol has.
METRIC, SERIES, VALUE, TIME, MEASUREMENT = "metric", "series", "value", "time", "measurement"
#: Notation of lines of words with numbers by name among them.
PAIRS = "name=value among words"
#: Elements of an array inside an object that have a name of their own, and the depth of names.
_MOST_ELEMENTS, _DEEPEST = 32, 8

_NUMBER = r"[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?|NaN|[-+]?Inf)"
_PROMETHEUS = re.compile(
    rf"(?P<name>[a-zA-Z_:][\w:]*)(?P<tags>\{{.*\}})?\s+(?P<value>{_NUMBER})(?:\s+(?P<time>-?\d+))?"
)
_TAG = re.compile(r'\s*([a-zA-Z_]\w*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*,?')
_GRAPHITE = re.compile(
    rf"(?P<name>[^\s;=]+)(?P<tags>(?:;[^\s;=]+=[^\s;]*)*)\s+(?P<value>{_NUMBER})\s+(?P<time>\d{{9,13}})"
)
_STATSD = re.compile(
    rf"(?P<name>[^\s:|]+):(?P<value>{_NUMBER})\|(?P<kind>g|c|ms|h|d|m)(?:\|@[\d.]+)?(?:\|#(?P<tags>\S*))?"
)
_INFLUX = re.compile(
    r"(?P<series>(?:[^\s\\,=]|\\.)+(?:,(?:[^\s\\,=]|\\.)+=(?:[^\s\\,=]|\\.)+)*)"
    r'\s+(?P<fields>(?:[^\s\\,="]|\\.)+=(?:"(?:[^"\\]|\\.)*"|[^\s",]+)'
    r'(?:,(?:[^\s\\,="]|\\.)+=(?:"(?:[^"\\]|\\.)*"|[^\s",]+))*)(?:\s+(?P<time>-?\d+))?'
)
_FIELD = re.compile(r'((?:[^\s\\,="]|\\.)+)=("(?:[^"\\]|\\.)*"|[^\s",]+),?')
_INFLUX_TAG = re.compile(r",((?:[^\s\\,=]|\\.)+)=((?:[^\s\\,=]|\\.)+)")
_PAIR = re.compile(r'([A-Za-z_@][\w.\-/@]*)=("(?:[^"\\]|\\.)*"|[^\s"]*)(?:\s+|$)')
_PAIR_IN_WORDS = re.compile(r"(?<![\w.])([A-Za-z_][\w.\-]*)=([^\s,;\"]+)")
_ESCAPE = re.compile(r"\\(.)")
_HELP = re.compile(r"#\s*(?:HELP|TYPE)\s+[a-zA-Z_:]")


def _read_json(line: str) -> Fields | None:
    text = line.lstrip()
    if not text.startswith(("{", "[")):
        return None
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if isinstance(found, list):
        return {str(at + 1): cell for at, cell in enumerate(found)}
    return found if isinstance(found, dict) else None


def _read_prometheus(line: str) -> Fields | None:
    found = _PROMETHEUS.fullmatch(line.strip())
    if found is None:
        return None
    tags = {name: _ESCAPE.sub(r"\1", text) for name, text in _TAG.findall((found["tags"] or "")[1:-1])}
    return _metric(found, tags, f"{found['name']}{found['tags'] or ''}")


def _read_graphite(line: str) -> Fields | None:
    found = _GRAPHITE.fullmatch(line.strip())
    if found is None:
        return None
    tags = dict(tag.split("=", 1) for tag in found["tags"].split(";")[1:])
    return _metric(found, tags, f"{found['name']}{found['tags']}")


def _read_statsd(line: str) -> Fields | None:
    found = _STATSD.fullmatch(line.strip())
    if found is None:
        return None
    tags = dict((*tag.split(":", 1), "")[:2] for tag in (found["tags"] or "").split(",") if tag)
    return _metric(found, tags, found["name"] + (f"|#{found['tags']}" if found["tags"] else ""))


def _metric(found: re.Match[str], tags: Mapping[str, str], series: str) -> Fields:
    time = found.groupdict().get("time")
    fields = {METRIC: found["name"], SERIES: series, **tags, VALUE: found["value"]}
    return fields | ({TIME: time} if time else {})


def _read_influx(line: str) -> Fields | None:
    found = _INFLUX.fullmatch(line.strip())
    if found is None:
        return None
    series = found["series"]
    tags = {_bare(name): _bare(text) for name, text in _INFLUX_TAG.findall(series)}
    name = _bare(re.split(r"(?<!\\),", series, maxsplit=1)[0])
    fields = {_bare(name): _field(text) for name, text in _FIELD.findall(found["fields"])}
    time = {TIME: found["time"]} if found["time"] else {}
    return {MEASUREMENT: name, SERIES: series, **tags, **fields, **time}


def _bare(text: str) -> str:
    return _ESCAPE.sub(r"\1", text)


def _field(text: str) -> str:
    if text.startswith('"'):
        return _bare(text[1:-1])
    return text[:-1] if text[-1] in "iu" and text[:-1].lstrip("-").isdigit() else text


def _read_logfmt(line: str) -> Fields | None:
    text = line.strip()
    pairs = _PAIR.findall(text)
    if not pairs or _PAIR.sub("", text):
        return None
    return {name: _bare(cell[1:-1]) if cell.startswith('"') else cell for name, cell in pairs}


def _read_pairs(line: str) -> Fields | None:
    """Words with at least two numbers by name among them, as ``ping`` writes."""
    pairs = dict(_PAIR_IN_WORDS.findall(line))
    is_number = [cell[:1].isdigit() or cell[:1] in "+-." for cell in pairs.values()]
    return pairs if sum(is_number) > 1 else None


#: What reads a line of each notation: a mapping of names to values, or None where it is no such line.
READERS: dict[str, Callable[[str], Fields | None]] = {
    "JSON": _read_json,
    "StatsD": _read_statsd,
    "Graphite": _read_graphite,
    "Prometheus": _read_prometheus,
    "InfluxDB line protocol": _read_influx,
    "logfmt": _read_logfmt,
    PAIRS: _read_pairs,
}
#: Those of which each line has one of many measures: a line of another one is passed over.
OF_METRICS = frozenset(READERS) - {"JSON", "logfmt", PAIRS}


def notation_of(lines: Sequence[str]) -> str:
    """The notation of the first lines of a text, a key of READERS; empty where they are rows of cells.

    Examples
    --------
    >>> [notation_of([line]) for line in ('{"a": 1}', "cpu,host=a load=1.5 1714521600000000000", "load:3|g", "1,2")]
    ['JSON', 'InfluxDB line protocol', 'StatsD', '']
    """
    is_json = [_read_json(line) is not None for line in lines]
    if any(is_json):
        rest = is_json[is_json.index(True) :]
        if 2 * sum(rest) >= len(rest):  # an object here and there among rows is not one of them
            return "JSON"
    content = [line for line in lines if not line.startswith("#")]
    if not content:
        return ""
    if any(map(_HELP.match, lines)) and all(map(_read_prometheus, content)):
        return "Prometheus"
    for name, read in READERS.items():
        if name != PAIRS and all(map(read, content)) and (name != "Prometheus" or "{" in content[0]):
            return name
    if 2 * sum(_read_pairs(line) is not None for line in content) >= len(content) > 0 and _read_pairs(content[-1]):
        return PAIRS
    return ""


def flattened(found: Mapping[str, Any], prefix: str = "", depth: int = 0) -> Fields:
    """The values of an object by their dotted names.

    Examples
    --------
    >>> flattened({"Time": 5, "ENERGY": {"Power": 21, "Phase": [1, 2]}})
    {'Time': 5, 'ENERGY.Power': 21, 'ENERGY.Phase.0': 1, 'ENERGY.Phase.1': 2}
    """
    flat: Fields = {}
    for name, value in found.items():
        if isinstance(value, list):
            value = {str(at): cell for at, cell in enumerate(value[:_MOST_ELEMENTS])}  # noqa: PLW2901
        if isinstance(value, dict) and value and depth < _DEEPEST:
            flat |= flattened(value, f"{prefix}{name}.", depth + 1)
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def value_at(found: Any, name: str) -> Any:
    """The value of a dotted name in an object; raises KeyError where there is none.

    Examples
    --------
    >>> value_at({"a": {"b": [5, 6]}}, "a.b.1"), value_at({"a.b": 7}, "a.b")
    (6, 7)
    """
    if isinstance(found, dict):
        if name in found:
            return found[name]
        for at, sign in enumerate(name):
            if sign == "." and name[:at] in found:
                return value_at(found[name[:at]], name[at + 1 :])
    elif isinstance(found, list):
        first, _, rest = name.partition(".")
        if first.isdecimal() and int(first) < len(found):
            return value_at(found[int(first)], rest) if rest else found[int(first)]
    raise KeyError(name)


def json_text(found: object) -> str:
    """A JSON value other than a number as the text of a cell."""
    if found is None:
        return ""
    return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)

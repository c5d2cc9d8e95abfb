"""Lines that name their own values: JSON, Influx line protocol, Graphite, StatsD, Prometheus, logfmt."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from streamforest.reading.time_form import is_time_text

Fields = dict[str, Any]

#: Names of what every line of a metrics protocol has.
METRIC, SERIES, VALUE, TIME, MEASUREMENT = "metric", "series", "value", "time", "measurement"
#: Notation of lines of words with numbers by name among them, of web servers' logs, and of what sketches for small
#: boards and subscribers of MQTT print.
PAIRS, ACCESS, LABELLED, BEHIND = "name=value among words", "access log", "name: value", "JSON behind words"
TABBED = "name:value between tabs"
#: The time that a line of words begins with.
LINE_TIME = "time of the line"
#: What stands before a JSON object.
TOPIC = "topic"
# Lines of which a header of words among them cannot be one.
_FEW = 3
#: Elements of an array inside an object that have a name of their own, and the depth of names.
_MOST_ELEMENTS, _DEEPEST = 32, 8

# No pattern may take longer than a few looks at each character, whatever a line is: what repeats gives nothing back
# (``*+``), and none that is searched for may begin in the middle of what it has looked at.
_NUMBER = r"[-+]?(?:\d++\.?\d*+(?:[eE][-+]?\d++)?|\.\d++(?:[eE][-+]?\d++)?|NaN|[-+]?Inf)"
_PROMETHEUS = re.compile(
    rf"(?P<name>[a-zA-Z_:][\w:]*)(?P<tags>\{{.*\}})?\s+(?P<value>{_NUMBER})(?:\s+(?P<time>-?\d+(?:\.\d+)?))?"
)
_TAG = re.compile(r'(?<!\w)([a-zA-Z_]\w*+)\s*+=\s*+"((?:[^"\\]|\\.)*+)"')
_GRAPHITE = re.compile(
    rf"(?P<name>[^\s;=]+)(?P<tags>(?:;[^\s;=]+=[^\s;]*)*)\s+(?P<value>{_NUMBER})\s+(?P<time>\d{{9,13}})"
)
_OPENTSDB = re.compile(
    rf"(?:put\s+)?(?P<name>[^\s=]+)\s+(?P<time>\d{{10,13}})\s+(?P<value>{_NUMBER})(?P<tags>(?:\s+[^\s=]+=[^\s=]+)+)"
)
_ACCESS = re.compile(
    r'(?P<client>\S+) \S+ (?P<user>\S+) \[(?P<time>[^\]]+)\] "(?P<request>(?:[^"\\]|\\.)*)" (?P<status>\d{3}) '
    r'(?P<bytes>\d+|-)(?: "(?P<referer>(?:[^"\\]|\\.)*)" "(?P<agent>(?:[^"\\]|\\.)*)")?(?P<rest>.*)'
)
_TOPIC = re.compile(rf"(?P<name>[^\s=:][^\s=:/]*+/[^\s=:]++)\s+(?P<value>{_NUMBER})")
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
_PAIR = re.compile(r'([A-Za-z_@][\w.\-/@]*+)=("(?:[^"\\]|\\.)*+"|[^\s"]*+)(?:\s+|$)')
_TABBED = re.compile(r"([A-Za-z_@][\w.\-/@]*+)(?:::?|=)(?!\s)(.*)")
_PAIR_IN_WORDS = re.compile(r"(?<![\w.\-])(?:(?![A-Za-z_])[\w.]*+-)*+([A-Za-z_][\w.\-]*+)=([^\s,;\"]++)")
_LABEL = re.compile(rf"\s*+([A-Za-z_][\w \-/%()]*+)\s*+:\s*+({_NUMBER})\s?([^\s\d,;:|]{{1,10}})?\s*(?:[,;|\s]|$)")
_BEHIND = re.compile(r"(?P<words>[^\s{\[\"'][^{\"]*+)(?P<json>\{.*\})'?")
_UNIX = re.compile(r"1\d{9}(?:\.\d+|\d{3})?")
_SYSLOG = re.compile(r"^<\d{1,3}>(?:1 )?")  # priority and version
_ESCAPE = re.compile(r"\\(.)")
_HELP = re.compile(r"#\s*(?:HELP|TYPE)\s+[a-zA-Z_:]")


def _read_json(line: str) -> Fields | None:
    text = line.lstrip()
    if not text.startswith(("{", "[")):
        return None
    try:
        found = json.loads(text.rstrip(" \r,"))
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


def _read_opentsdb(line: str) -> Fields | None:
    found = _OPENTSDB.fullmatch(line.strip())
    if found is None:
        return None
    tags = dict(tag.split("=", 1) for tag in found["tags"].split())
    return _metric(found, tags, f"{found['name']} {' '.join(found['tags'].split())}")


def _read_access(line: str) -> Fields | None:
    """A line of the combined log format; of what stands behind it numbers, the first one as ``request_time``."""
    found = _ACCESS.fullmatch(line.strip())
    if found is None:
        return None
    fields = {name: text for name, text in found.groupdict().items() if text is not None and name != "rest"}
    numbers = [word.strip('"') for word in found["rest"].split() if "=" not in word]
    names = ("request_time", *(f"number {at}" for at in range(2, len(numbers) + 1)))
    pairs = dict(_PAIR_IN_WORDS.findall(found["rest"]))
    return fields | dict(zip(names, numbers, strict=False)) | pairs


def _read_topic(line: str) -> Fields | None:
    """A topic of MQTT and its message, as ``mosquitto_sub -v`` writes."""
    found = _TOPIC.fullmatch(line.strip())
    return None if found is None else _metric(found, {}, found["name"])


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
    pairs = in_a_row(_PAIR, line.strip())
    return {name: _bare(cell[1:-1]) if cell.startswith('"') else cell for name, cell in pairs} or None


def _read_tabbed(line: str) -> Fields | None:
    """Values with a name and a colon before each, and tabs between them, as labelled TSV and plugins of Nagios have."""
    pairs = [_TABBED.fullmatch(part) for part in line.strip().split("\t")]
    if len(pairs) < 2:
        return None
    fields = {pair[1]: pair[2].strip() for pair in pairs if pair}
    return fields if len(fields) == len(pairs) else None


def _read_pairs(line: str) -> Fields | None:
    """Words with at least two numbers by name among them, as ``ping`` writes."""
    pairs = dict(_PAIR_IN_WORDS.findall(line))
    is_number = [cell[:1].isdigit() or cell[:1] in "+-." for cell in pairs.values()]
    if sum(is_number) < 2:
        return None
    time = _line_time(line)
    return pairs | ({LINE_TIME: time} if time else {})


def _read_labelled(line: str) -> Fields | None:
    """Numbers with a name and a colon before each, and perhaps a unit behind it: ``Temp: 21.5 C, Humidity: 40 %``."""
    return {name.rstrip(): number for name, number, _ in in_a_row(_LABEL, line.rstrip())} or None


def _read_behind(line: str) -> Fields | None:
    """A JSON object with a topic, or a time and other words, before it."""
    found = _BEHIND.fullmatch(line.strip())
    before = "" if found is None else found["words"].removesuffix("'")
    words = before.rstrip()
    if found is None or words == before or words.endswith((",", ";")):
        return None
    inner = _read_json(found["json"])
    if inner is None:
        return None
    time = _line_time(words)
    return {LINE_TIME: time, **flattened(inner)} if time else {TOPIC: words, **flattened(inner)}


def _line_time(line: str) -> str:
    """The time that a line begins with, in brackets or without, perhaps behind a level of logs; empty for none."""
    words = _SYSLOG.sub("", line).split(maxsplit=3)[:3]
    texts = (" ".join(some).strip("[](),;:") for some in (words[:2], words[1:], words[:1]))
    times = [text for text in texts if _UNIX.fullmatch(text) or is_time_text(text)]
    return max(times, key=lambda text: ":" in text, default="")


def in_a_row(pattern: re.Pattern[str], text: str) -> list[tuple[str, ...]]:
    r"""The groups of the matches that make up all of a text, one behind the other; none where they do not.

    Examples
    --------
    >>> in_a_row(re.compile(r"(\w)=(\d),?"), "a=1,b=2"), in_a_row(re.compile(r"(\w)=(\d),?"), "a=1 b=2")
    ([('a', '1'), ('b', '2')], [])
    """
    found, at = [], 0
    while at < len(text):
        match = pattern.match(text, at)
        if match is None:
            return []
        found.append(match.groups(""))
        at = match.end()
    return found


#: What reads a line of each notation: a mapping of names to values, or None where it is no such line.
READERS: dict[str, Callable[[str], Fields | None]] = {
    "JSON": _read_json,
    "StatsD": _read_statsd,
    "Graphite": _read_graphite,
    "OpenTSDB": _read_opentsdb,
    "Prometheus": _read_prometheus,
    "InfluxDB line protocol": _read_influx,
    "topics of MQTT": _read_topic,
    "logfmt": _read_logfmt,
    TABBED: _read_tabbed,
    ACCESS: _read_access,
    BEHIND: _read_behind,
    LABELLED: _read_labelled,
    PAIRS: _read_pairs,
}
#: Those of which each line has one of many measures: a line of another one is passed over.
OF_METRICS = frozenset(READERS) - {"JSON", "logfmt", TABBED, ACCESS, PAIRS, LABELLED, BEHIND}


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
        if name == PAIRS or (name == LABELLED and len(content) < _FEW):
            continue  # one line alone may be of what stands before a table
        if all(map(read, content)) and (name != "Prometheus" or "{" in content[0]):
            return name
    n_pairs = sum(_read_pairs(line) is not None for line in content)
    if 2 * n_pairs >= len(content) and (n_pairs >= _FEW or _read_pairs(content[-1])):
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

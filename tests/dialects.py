"""Tables as people have them: the same readings written in one of very many ways, chosen by a seed."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
STEPS = (60, 600, 900, 3600, 86400)
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def two(number: int) -> str:
    return f"{number:02}"


def clock(t: datetime, *, seconds: bool) -> str:
    return f"{two(t.hour)}:{two(t.minute)}" + (f":{two(t.second)}" if seconds else "")


def half_clock(t: datetime) -> str:
    return f"{t.hour % 12 or 12}:{two(t.minute)}:{two(t.second)} {'PM' if t.hour > 11 else 'AM'}"


def unix(t: datetime) -> int:
    return int((t - EPOCH).total_seconds())


#: How a time is written, by name.
TIMES = {
    "iso": lambda t: t.strftime("%Y-%m-%dT%H:%M:%S"),
    "iso zone": lambda t: t.strftime("%Y-%m-%dT%H:%M:%SZ"),
    "iso offset": lambda t: (t + timedelta(hours=2)).strftime("%Y-%m-%d %H:%M:%S+02:00"),
    "iso minutes": lambda t: t.strftime("%Y-%m-%d %H:%M"),
    "iso slashes": lambda t: t.strftime("%Y/%m/%d %H:%M:%S"),
    "iso basic": lambda t: t.strftime("%Y%m%dT%H%M%SZ"),
    "iso week": lambda t: t.strftime("%G-W%V-%uT%H:%M:%S"),
    "iso ordinal": lambda t: t.strftime("%Y-%jT%H:%M:%S"),
    "iso range": lambda t: t.strftime("%Y-%m-%dT%H:%M/") + (t + timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M"),
    "one digit": lambda t: f"{t.year}-{two(t.month)}-{two(t.day)} {t.hour}:{two(t.minute)}",
    "d.m.y": lambda t: t.strftime("%d.%m.%Y %H:%M"),
    "d.m.y seconds": lambda t: t.strftime("%d.%m.%Y %H:%M:%S"),
    "d.m.yy": lambda t: f"{t.day}.{t.month}.{t.year % 100:02} {clock(t, seconds=False)}",
    "d.m.y range": lambda t: t.strftime("%d.%m.%Y %H:%M - ") + (t + timedelta(minutes=1)).strftime("%d.%m.%Y %H:%M"),
    "d/m/y": lambda t: t.strftime("%d/%m/%Y %H:%M"),
    "m/d/y": lambda t: t.strftime("%m/%d/%Y %H:%M:%S"),
    "m/d/y half": lambda t: f"{t.month}/{t.day}/{t.year} {half_clock(t)}",
    "m/d/yy half": lambda t: f"{two(t.month)}/{two(t.day)}/{t.year % 100:02} {half_clock(t)}",
    "d-m-y": lambda t: t.strftime("%d-%m-%Y %H:%M"),
    "y-m-d short": lambda t: t.strftime("%y-%m-%d %H:%M"),
    "y.m.d": lambda t: t.strftime("%Y.%m.%d %H:%M"),
    "month name": lambda t: f"{t.day} {MONTHS[t.month - 1]} {t.year} {clock(t, seconds=True)}",
    "month first": lambda t: f"{MONTHS[t.month - 1]} {t.day} {t.year} {half_clock(t)}",
    "month dashes": lambda t: f"{two(t.day)}-{MONTHS[t.month - 1]}-{t.year} {clock(t, seconds=False)}",
    "compact": lambda t: t.strftime("%Y%m%d%H%M"),
    "compact seconds": lambda t: t.strftime("%Y%m%d%H%M%S"),
    "unix": lambda t: str(unix(t)),
    "unix ms": lambda t: str(unix(t) * 1000),
    "unix us": lambda t: str(unix(t) * 10**6),
    "unix ns": lambda t: str(unix(t) * 10**9),
    "excel": lambda t: repr(unix(t) / 86400 + 25569),
    "filetime": lambda t: str((unix(t) + 11_644_473_600) * 10**7),
    "ticks": lambda t: str((unix(t) + 62_135_596_800) * 10**7),
    "two columns": lambda t: (t.strftime("%Y-%m-%d"), clock(t, seconds=True)),
    "two german columns": lambda t: (t.strftime("%d.%m.%Y"), clock(t, seconds=False)),
    "two compact columns": lambda t: (t.strftime("%Y%m%d"), t.strftime("%H%M%S")),
}


@dataclass
class Case:
    """A table and what is in it: each row's time (seconds, UTC epoch) and value (None: missing)."""

    body: bytes = b""
    times: list[float] = field(default_factory=list)
    values: list[float | None] = field(default_factory=list)
    asked: dict[str, str] = field(default_factory=dict)
    words: str = ""


def grouped(digits: str, sign: str) -> str:
    parts = []
    while digits:
        parts.insert(0, digits[-3:])
        digits = digits[:-3]
    return sign.join(parts)


def number_text(value: float, places: int, decimal: str, thousands: str) -> str:
    whole, _, rest = f"{abs(value):.{places}f}".partition(".")
    return grouped(whole, thousands) + (decimal + rest if rest else "")


def make_case(seed: int) -> Case:  # noqa: PLR0912 - one choice after the other
    """The table of a seed."""
    rng = random.Random(seed)
    case = Case()
    n = rng.choice((6, 20, 60, 150))
    step = rng.choice(STEPS)
    start = datetime(rng.choice((2015, 2023, 2024)), rng.randint(1, 12), rng.randint(1, 28), tzinfo=UTC)
    separator = rng.choice(",;\t|")
    decimal = rng.choice(".,")
    places = rng.choice((0, 1, 2, 3))
    size = rng.choice((1, 30, 950, 25_000))
    thousands = rng.choice(("", "", "," if decimal == "." else ".", " ", "'", "\u202f"))
    unit = rng.choice(("", "", "", "%", " \u00b0C", " kWh", "\u20ac ", "$"))
    minus = rng.choice("--\u2212")
    form = rng.choice(list(TIMES))
    missing = rng.choice(("", "", "n/a", "--", "unavailable", "#N/A"))
    end = rng.choice(("\n", "\n", "\r\n", "\r"))
    is_back = rng.random() < 0.15
    names_time = rng.choice(("time", "Date", "Zeitstempel", "t0"))
    has_header = rng.random() < 0.85
    name_value = rng.choice(("value", "Leistung [kW]", "Temp, \u00b0C", "usage"))
    extra = rng.choice(("", "", "text", "rows"))
    quote_all = rng.random() < 0.1
    rows = []
    for k in range(n):
        t = start + timedelta(seconds=k * step)
        value = round(size + rng.gauss(0, size / 10) if rng.random() < 0.8 else rng.gauss(0, size), places) + 0.0
        is_missing = bool(missing) and k > 2 and rng.random() < 0.05
        text = number_text(value, places, decimal, thousands)
        if unit in {"\u20ac ", "$"}:
            text = unit + text
        else:
            text += unit
        text = missing if is_missing else (minus + text if value < 0 else text)
        when = TIMES[form](t)
        cells = [*(when if isinstance(when, tuple) else (when,)), text]
        if extra == "text":
            cells.append(rng.choice(("ok", "check", "a b")))
        if extra == "rows":
            cells.insert(0, str(k + 1))
        rows.append(cells)
        case.times.append(float(unix(t)))
        case.values.append(None if is_missing else value)
    bare = [number_text(value, places, ".", "") for value in case.values if value is not None]
    lengths = set(map(len, bare))
    is_clear = (min(lengths) < 4 < max(lengths) + 1) or max(lengths) > 6
    are_thirds = places == 3 and all(1 <= abs(value or 1) < 1000 for value in case.values)
    is_german = form.startswith(("d.m", "two german"))
    is_usual = is_german and thousands == "." and separator != ","
    is_open = places == 0 and thousands in {".", ","} and not is_clear and not is_usual
    if is_open or (are_thirds and (is_german if decimal == "." else separator == ",")):
        return make_case(seed + 1_000_000_007)  # nothing tells 1.234 from 1,234: both readings are right
    names = [names_time, *(["clock time"] if form.startswith("two") else []), name_value]
    if extra == "text":
        names.append("state")
    if extra == "rows":
        names.insert(0, "#" if rng.random() < 0.5 else "")
    if is_back:
        rows.reverse()

    def line(cells: list[str]) -> str:
        return separator.join(f'"{cell}"' if quote_all or separator in cell else cell for cell in cells)

    lines = [line(cells) for cells in rows]
    before: list[str] = []
    if has_header:
        if rng.random() < 0.15:
            before.append(f"sep={separator}")
        before += rng.choice(
            (
                [],
                [],
                [],
                ["Report of the plant"],
                ["# station 12, height 30 m", "# all times UTC", "#"],
                [f"Account{separator}Main", f"Number{separator}12345", ""],
                ["Logger X 3000", "", "Serial: 10203"],
                [f"Plot Title: Well 4{separator}{separator}"],
            )
        )
        before.append(line(names))
        if rng.random() < 0.1 and extra == "":
            before.append(line(["" for _ in names[:-1]] + ["\u00b0C"]))
        if rng.random() < 0.08 and n > 20:
            lines.insert(n // 2, line(names))
    elif rng.random() < 0.2:
        before += ["# written by hand"]
    text = end.join([*before, *lines]) + (end if rng.random() < 0.9 else "")
    coding = rng.choice(("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "cp1252"))
    if coding == "cp1252" and ("\u202f" in text or "\u2212" in text):
        coding = "utf-8"
    body = text.encode(coding)
    case.body = rng.choice((bytes, bytes, bytes, gzip.compress, bz2.compress, lzma.compress))(body)
    if has_header and rng.random() < 0.3:
        case.asked["column"] = name_value
    if not has_header and extra == "rows":
        case.asked["column"] = str(len(names))
    case.words = (
        f"{form=} {separator=} {decimal=} {thousands=} {unit=} {places=} {size=} {extra=} {has_header=} "
        f"{missing=} {coding=} {end=} {is_back=} {quote_all=} {n=} {step=}"
    )
    return case

"""The speed benchmark's figures as tables, as a CSV file, and held against what was asked for."""

from __future__ import annotations

import csv
import math
import os
import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from benchmarks.peers import installed
from benchmarks.speed_contenders import threads_name
from benchmarks.speed_memory import MIB
from benchmarks.speed_rounds import Cost

Rows = list[list[str]]

#: Topic of what a process with ever more streams holds.
MEMORY = "growth: memory of the streams"


def machine() -> str:
    """Processor, cores, memory, system, and how busy it was: benchmarks want less than 0.1 or so."""
    model = platform.processor() or platform.machine()
    cpus = Path("/proc/cpuinfo")
    if cpus.exists():
        names = [
            line.split(":", 1)[1].strip() for line in cpus.read_text().splitlines() if line.startswith("model name")
        ]
        model = names[0] if names else model
    words = [f"{datetime.now(UTC):%Y-%m-%d}", f"{model} ({platform.machine()})", f"{os.cpu_count()} cores"]
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        words.append(f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB")
    words.append(f"{platform.system()} {platform.release()}")
    if hasattr(os, "getloadavg"):
        words.append(f"load {os.getloadavg()[0]:.2f} at the start")
    return ", ".join(words)


def versions(packages: Iterable[str]) -> str:
    """Python's version and those of the packages that are installed."""
    found = {package: installed(package) for package in packages}
    return ", ".join(
        [f"Python {platform.python_version()}", *(f"{name} {number}" for name, number in found.items() if number)]
    )


def tables(costs: Sequence[Cost]) -> dict[str, Rows]:
    """A table a topic, under a title with the unit: a row a contender, or a row a contender and a column a size."""
    titles = {one.topic: f"{one.topic}, {one.unit}" for one in costs}
    return {
        title: (_growth if topic.startswith("growth") else _figures)([one for one in costs if one.topic == topic])
        for topic, title in titles.items()
    }


def _figures(costs: Sequence[Cost]) -> Rows:
    first = costs[0].median
    rows = [["who", "median", "lowest", "highest", "times the first"]]
    for one in costs:
        times = one.median / first if first else math.nan
        rows.append([one.who, *map(short, (one.median, one.lowest, one.highest, times))])
    return rows


def _growth(costs: Sequence[Cost]) -> Rows:
    sizes = sorted({one.at for one in costs})
    found = {(one.who, one.at): short(one.median) for one in costs}
    rows = [["who", *(f"{size:,.0f}" for size in sizes)]]
    for who in dict.fromkeys(one.who for one in costs):
        rows.append([who, *(found.get((who, size), "-") for size in sizes)])
    return rows


def short(number: float) -> str:
    """A number with three digits or all before the point."""
    if math.isnan(number):
        return "-"
    decimals = 0 if number >= 99.95 else 1 if number >= 9.995 else 2
    return f"{number:,.{decimals}f}"


def markdown(rows: Rows) -> str:
    """A table as Markdown, with its columns in line."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        first, *others = zip(row, widths, strict=True)
        cells = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
        lines.append(f"| {' | '.join(cells)} |")
    lines.insert(1, f"|{'|'.join('-' * (width + 2) for width in widths)}|")
    return "\n".join(lines)


def write_csv(path: Path, costs: Sequence[Cost]) -> None:
    """Write all figures, a row each."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Cost._fields)
        for topic, who, at, unit, *numbers in costs:
            size = "" if math.isnan(at) else f"{at:.0f}"
            writer.writerow([topic, who, size, unit, *(f"{number:.6g}" for number in numbers)])


class Promise(NamedTuple):
    """Something that was asked for, beside what was got; NaN where it was not measured."""

    what: str
    got: float
    limit: float
    is_least: bool  # whether the limit is the least that is allowed, or the most
    unit: str

    @property
    def is_kept(self) -> bool:
        """Whether what was got is within the limit."""
        return self.got >= self.limit if self.is_least else self.got <= self.limit


def promises(costs: Sequence[Cost]) -> list[Promise]:
    """What this program is meant to show, by the medians of one run."""
    medians = {(one.topic, one.who, one.at if one.at == one.at else None): one.median for one in costs}

    def of(topic: str, who: str, at: float | None = None) -> float:
        return medians.get((topic, who, at), math.nan)

    def rate(topic: str, who: str) -> float:
        return 1e6 / of(topic, who)

    point, arrays, side, rows = "one by one", "in arrays", "10,000 streams", "rows of a file"
    update = of(point, "StreamDetector.update")
    median, late = (of("single calls", f"StreamDetector.update, {word}") for word in ("median", "99 % within"))
    many = of(arrays, "StreamDetector.update_many")
    cores = of(side, threads_name(10_000, 1)) / of(side, threads_name(10_000, 2))
    most, each = _bytes_per_stream(costs)
    million = of(MEMORY, "StreamDetectors", 1e6) * MIB / 1e9
    at_least, at_most = True, False
    return [
        Promise("update: HalfSpaceTrees cost", of(point, "river HalfSpaceTrees") / update, 5, at_least, "times it"),
        Promise("update: krcf with 30 trees costs", of(point, "krcf, 30 trees") / update, 6, at_least, "times it"),
        Promise("update: scikit-learn costs", of(point, "scikit-learn, one row") / update, 2000, at_least, "times it"),
        Promise("update: median of single calls", median, 5, at_most, "us"),
        Promise("update: 99th percentile", late / median, 3, at_most, "medians"),
        Promise("update_many on one core", 1e6 / many, 500_000, at_least, "points/s"),
        Promise("update_many over the forest alone", many / of(arrays, "its forest alone"), 2, at_most, "times"),
        Promise("10,000 streams: two cores over one", cores, 1.6, at_least, "times"),
        Promise(f"memory a stream, by {most:,.0f} of them", each, 16_000, at_most, "bytes"),
        Promise("memory of 1,000,000 streams", million, 16, at_most, "GB"),
        Promise("a file, --format quiet", rate(rows, "main.py FILE --format quiet"), 300_000, at_least, "rows/s"),
        Promise("a file, --format json", rate(rows, "main.py FILE --format json"), 100_000, at_least, "rows/s"),
        Promise("a line in a pipe, median", of("a line in a pipe", "main.py -, median"), 100, at_most, "us"),
        Promise("first verdict", of("first verdict", "main.py -"), 1000, at_most, "ms"),
    ]


def _bytes_per_stream(costs: Sequence[Cost]) -> tuple[float, float]:
    """The most streams that were measured, and what each of them added to the process, bytes; NaN below 10,000."""
    mib = {one.at: one.median for one in costs if (one.topic, one.who) == (MEMORY, "StreamDetectors")}
    most = max(mib, default=0.0)
    return most, (mib[most] - mib[1]) * MIB / most if most >= 10_000 else math.nan


def asked_and_got(costs: Sequence[Cost]) -> Rows:
    """The promises as a table."""
    rows = [["what", "asked", "got", "kept"]]
    for one in promises(costs):
        asked = f"{'at least' if one.is_least else 'at most'} {one.limit:,} {one.unit}"
        got = "not measured" if math.isnan(one.got) else f"{short(one.got)} {one.unit}"
        rows.append([one.what, asked, got, "-" if math.isnan(one.got) else "yes" if one.is_kept else "no"])
    return rows

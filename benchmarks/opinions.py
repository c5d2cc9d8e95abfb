"""What a person's say is worth: alarms of each series' first half called real or nothing, and the second half then."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from datetime import UTC
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

import settings as defaults  # noqa: E402 - the path comes first
from benchmarks.boards import BoardError, Series, read_board  # noqa: E402
from streamforest.judging.advice import Case, Stretch, candidates  # noqa: E402
from streamforest.judging.rejudging import AlarmSettings, Readings, judge_again  # noqa: E402
from streamforest.models.shipped import SHIPPED_MODEL  # noqa: E402
from streamforest.program import assembly  # noqa: E402
from streamforest.program.options import read_options  # noqa: E402
from streamforest.protocols import POINT_DTYPE, Verdicts  # noqa: E402
from streamforest.verdicts.difference import Spans, has_counterpart, spans_of  # noqa: E402

#: Alarms of a series that a person says something of, at most, the newest first.
MOST_SAID = 20
#: Share of the recall before that is to be kept.
KEPT = 0.95


class Count(NamedTuple):
    """Of the second half: alarms, those in a label window, label windows, those with an alarm."""

    alarms: int = 0
    right: int = 0
    windows: int = 0
    found: int = 0

    def plus(self, other: Count) -> Count:
        """Both together."""
        return Count(*(one + more for one, more in zip(self, other, strict=True)))

    @property
    def precision(self) -> float:
        """Share of the alarms that are right."""
        return self.right / max(self.alarms, 1)

    @property
    def recall(self) -> float:
        """Share of the windows that are found."""
        return self.found / max(self.windows, 1)


def points_of(series: Series) -> np.ndarray:
    """The readings of a series."""
    points = np.zeros(len(series.values), POINT_DTYPE)
    points["value"], points["time"], points["label"] = series.values, series.times, -1
    return points


def in_windows(spans: Spans, windows: Sequence[tuple[int, int]]) -> np.ndarray:
    """Whether each alarm lies in a label window, shape (n,)."""
    own = Spans(*(np.array([window[side] for window in windows], np.int64) for side in (0, 1)))
    return has_counterpart(spans, own, 0)


def counted(verdicts: Verdicts, series: Series, since: int) -> Count:
    """What alarms are worth from a row on."""
    spans = spans_of(verdicts)
    late = Spans(*(side[spans.first >= since] for side in spans))
    windows = [window for window in series.windows if window[0] >= since]
    own = Spans(*(np.array([window[side] for window in windows], np.int64) for side in (0, 1)))
    right, found = in_windows(late, series.windows), has_counterpart(own, spans, 0)
    return Count(len(late.first), int(right.sum()), len(windows), int(found.sum()))


def settings_after(series: Series, now: AlarmSettings, judge: Any, words: list[str]) -> AlarmSettings:
    """The settings once a person has said of the first half's alarms what they were, and taken what was advised."""
    readings = Readings(0, points_of(series)[: len(series.values) // 2])
    asked: set[int] = set()
    for _ in range(MOST_SAID):
        spans = spans_of(judge(now, readings))
        right = in_windows(spans, series.windows)
        stretches = [Stretch(*ends) for ends in zip(spans.first.tolist(), spans.last.tolist(), strict=True)]
        nothing = [one for one, is_right in zip(stretches, right, strict=True) if not is_right]
        real = [one for one, is_right in zip(stretches, right, strict=True) if is_right]
        open_ones = [one for one in nothing if one.first >= series.probation and one.first not in asked]
        if not open_ones:
            break
        asked.add(open_ones[-1].first)
        case = Case(open_ones[-1], False, now, readings, real, UTC, nothing)
        found = min(candidates(case, lambda s, r, _: judge(s, r), lambda: True), key=lambda one: one.rank, default=None)
        if found is not None and not any(found.rank[:2]):  # nobody takes one that drops what was real, or might
            now = found.settings
            words.append(found.words)
    return now


def main(arguments: Sequence[str]) -> int:
    """Print a table; returns 1 where precision does not rise or recall falls below what is asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("boards", nargs="+", type=Path, metavar="BOARD", help="clone of NAB, or folder of CSV files")
    parser.add_argument("--alarm-rate", type=float, default=defaults.ALARM_RATE)
    parser.add_argument("--model", type=Path, default=SHIPPED_MODEL)
    parser.add_argument("--rules", action="store_true", help="print the rules that are taken")
    asked = parser.parse_args(arguments)
    words = ("stream.csv", "--alarm-rate", str(asked.alarm_rate), "--model", str(asked.model))
    options = read_options(words, vars(defaults), PROJECT, program="opinions.py", description="")
    source, is_as_asked = SimpleNamespace(live=False), True

    def judge(settings: AlarmSettings, readings: Readings) -> Verdicts:
        verdicts = judge_again(assembly.judge_to_try(options, source, settings).judge, readings)
        assert verdicts is not None
        return verdicts

    print(
        f"{'board':<8} {'':<7} {'alarms':>7} {'right':>6} {'windows':>8} {'found':>6} {'precision':>10} {'recall':>7}"
    )
    for folder in asked.boards:
        try:
            board = read_board(folder)
        except BoardError as error:
            print(error, file=sys.stderr)
            return 2
        began, sums, rules = time.monotonic(), {"before": Count(), "after": Count()}, 0
        for series in board.series:
            taken: list[str] = []
            before = assembly.settings_of(options)
            after = settings_after(series, before, judge, taken)
            readings, since = Readings(0, points_of(series)), len(series.values) // 2
            count = partial(counted, series=series, since=since)
            first = count(judge(before, readings))
            then = first if after == before else count(judge(after, readings))
            sums = {"before": sums["before"].plus(first), "after": sums["after"].plus(then)}
            rules += len(taken)
            if asked.rules and taken:
                print(f"  {series.name}: {'; '.join(taken)}; {tuple(first)} -> {tuple(then)}", flush=True)
        for name, one in sums.items():
            print(
                f"{board.name:<8} {name:<7} {one.alarms:>7,} {one.right:>6,} {one.windows:>8,} {one.found:>6,} "
                f"{one.precision:>10.3f} {one.recall:>7.3f}"
            )
        print(f"{board.name:<8} {rules:,} rules in {len(board.series)} series, {time.monotonic() - began:.0f} s")
        is_better = sums["after"].precision > sums["before"].precision
        is_as_asked &= is_better and sums["after"].recall >= KEPT * sums["before"].recall
    return 0 if is_as_asked else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Alarms asked for and got, and the strip of p-values, as lines of text for the window and the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from streamforest.protocols import WITHOUT_BAND, Honesty, RateGot, Verdict
from streamforest.verdicts.honesty import is_marked_by_band
from streamforest.wording import kind_text, number_text

#: Bars of growing height, the first is empty; where a terminal lacks them, others.
BARS, HALF_BARS, ASCII_BARS = " ▁▂▃▄▅▆▇█", " ▄█", " .:|#"
#: Columns of each part of the strip.
WIDE = 2
#: Points below which a strip shows chance more than anything else.
FEW = 400
#: A smaller share is the rounding of a 0.
LEAST = 1e-12


def honesty_lines(honesty: Honesty | None, bars: str = BARS) -> list[str]:
    """What the panel says, at most 62 columns wide.

    Parameters
    ----------
    honesty : Honesty or None
        None where nothing is counted.
    bars : str
        BARS, HALF_BARS or ASCII_BARS.
    """
    if honesty is None or not honesty.total.scored:
        return ["alarms asked for and got: no point has a score yet"]
    return [
        *rate_lines(honesty),
        "",
        "p-values of all points, 0 to 1: flat if they are honest",
        f"0 {strip(honesty.strip, bars)} 1",
        flatness(honesty.strip),
    ]


def honesty_facts(honesty: Honesty | None) -> dict[str, Any] | None:
    """What the panel says, in parts for a page; None where nothing is counted yet."""
    if honesty is None or not honesty.total.scored:
        return None
    return {"rows": rate_rows(honesty), "strip": honesty.strip, "words": flatness(honesty.strip)}


def rate_lines(honesty: Honesty) -> list[str]:
    """Asked for, and got over a day and in all, aligned; each in a line, but for what may need another one."""
    return [f"{name:<11}  {text}" for name, text in rate_rows(honesty)]


def rate_rows(honesty: Honesty) -> list[tuple[str, str]]:
    """The same as names and texts; a text that goes on has no name."""
    rows = [("asked for", f"{_percent(honesty.alarm_rate)} of normal points")]
    if honesty.alarms_a_day is not None:
        left = "none left" if not honesty.left else f"{honesty.left:,} left"
        rows = [("asked for", f"{honesty.alarms_a_day:g} alarms a day"), ("today (UTC)", f"{honesty.today:,}, {left}")]
        rows += [("last 24 h", f"{_many(honesty.day.begun, 'alarm')}; in all {honesty.total.begun:,}")]
    rows += [("last 24 h", _rate(honesty.day)), ("in all", _rate(honesty.total))]
    rows.append(("", "(95 % intervals, Wilson's, by episodes; anomalies are in)"))
    if band := honesty.total.by_band:
        rows.append(("beside them", f"{_many(band, 'point')} marked by band or habit alone,"))
        rows.append(("", "which no alarm rate limits"))
    return rows


def _rate(got: RateGot) -> str:
    if not got.scored:
        return "no point"
    share = _percent(got.flagged / got.scored)
    return f"{share}, {_number(got.low)} to {_percent(got.high)} ({got.flagged:,} of {_many(got.scored, 'point')})"


def _many(n: int, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def _number(share: float) -> str:
    if share < LEAST:
        return "0"
    return f"{100 * share:.2g}" if share < 0.995 else "100"


def _percent(share: float) -> str:
    return f"{_number(share)} %"


def strip(counts: Sequence[int], bars: str = BARS) -> str:
    """A bar for each count: half as high as the highest where it is the mean."""
    mean = sum(counts) / len(counts)
    highest = len(bars) - 1
    heights = [min(round(0.5 * highest * count / mean), highest) if mean else 0 for count in counts]
    return "".join(bars[height] * WIDE for height in heights)


def flatness(counts: Sequence[int]) -> str:
    """How far the strip is from flat, in words."""
    points = sum(counts)
    if points < FEW:
        return f"{_many(points, 'point')} so far: too few to tell"
    mean = points / len(counts)
    shares = [count / mean - 1.0 for count in counts]
    at = max(range(len(counts)), key=lambda k: abs(shares[k]))
    low, high = at / len(counts), (at + 1) / len(counts)
    word = "more" if shares[at] > 0.0 else "fewer"
    return f"farthest from flat: {100 * abs(shares[at]):.0f} % {word} from {low:.2g} to {high:.2g}"


def limit_text(verdict: Verdict) -> str:
    """The threshold of a point, or what marks it where its score does not: it has none of its own then."""
    if not is_marked_by_band(verdict):
        return f"threshold {number_text(verdict.threshold, 0.1)}"
    return f"marked by {'habit' if kind_text(verdict) in WITHOUT_BAND else 'its band'} alone"

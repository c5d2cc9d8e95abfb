"""The summary's part on alarms asked for and got, with the strip of p-values as a drawing."""

from __future__ import annotations

from collections.abc import Sequence

from streamforest.figures.honesty_text import flatness
from streamforest.program.summary.markup import Card, Column, Section, Table
from streamforest.protocols import Honesty, RateGot
from streamforest.wording import DASH

WIDTH, HEIGHT, MARGIN = 320.0, 110.0, 8.0  # of the drawing, in its own unit

NOTE = (
    "The alarm rate is a share of normal points, so real anomalies make the rate got higher than the one asked for. "
    "The intervals are Wilson's at 95 %, with the points of an episode counted as one event. Points that only the "
    "expected band or a broken habit marks are counted apart: no alarm rate limits them."
)


def honesty_section(honesty: Honesty) -> Section:
    """Rates and p-values of a run."""
    title = "Alarms asked for and got"
    if not honesty.total.scored:
        return Section(title, "No point has a score.")
    heads = (
        *(Column(""), Column("points", True), Column("flagged", True), Column("rate", True)),
        *(Column("95 % interval", True), Column("by band or habit alone", True), Column("alarms", True)),
    )
    rows = [_row("last 24 hours", honesty.day), _row("in all", honesty.total)]
    asked = f"Asked for: {100 * honesty.alarm_rate:.3g} % of normal points. "
    if honesty.alarms_a_day is not None:
        left = f"{honesty.today:,} on the last day (UTC), {honesty.left or 0:,} left"
        asked = f"Asked for: {honesty.alarms_a_day:g} alarms a day; {left}. "
    card = Card("p-values", "0 to 1", drawing_of(honesty.strip), ("flat if they are honest", flatness(honesty.strip)))
    return Section(title, asked + NOTE, cards=[card], table=Table(heads, rows, has_row_heads=True))


def _row(name: str, got: RateGot) -> list[str]:
    rate = f"{100 * got.flagged / got.scored:.3g} %" if got.scored else DASH
    interval = f"{100 * got.low:.2g} to {100 * got.high:.2g} %" if got.scored else DASH
    return [name, f"{got.scored:,}", f"{got.flagged:,}", rate, interval, f"{got.by_band:,}", f"{got.begun:,}"]


def drawing_of(counts: Sequence[int]) -> str:
    """Bars, and a line where all of them would end if they were alike."""
    mean = sum(counts) / len(counts)
    width = (WIDTH - 2 * MARGIN) / len(counts)
    tall = HEIGHT - 2 * MARGIN
    bars = ""
    for k, count in enumerate(counts):
        left, height = MARGIN + k * width, tall * min(0.5 * count / mean, 1.0) if mean else 0.0
        bottom = HEIGHT - MARGIN
        bars += f"M{left + 1:.1f} {bottom:.1f}V{bottom - height:.1f}H{left + width - 1:.1f}V{bottom:.1f}Z"
    middle = HEIGHT - MARGIN - 0.5 * tall
    return (
        f'<svg viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" aria-label="How p-values are spread from 0 to 1">'
        f'<path class="band" d="{bars}"/><path class="expected" d="M{MARGIN:g} {middle:.1f}H{WIDTH - MARGIN:g}"/></svg>'
    )

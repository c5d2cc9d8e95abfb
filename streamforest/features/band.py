"""The band of usual residuals, up and down apart, and outliers: points that stand out of it, isolated and unforeseen.

A robust scale, a decaying histogram of sizes and its inner quantiles tell where the bulk of the residuals ends. What
lies beyond, behind a gap, is a population of its own: it does not widen the band, however often it comes.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from streamforest.compiled import Record, compiled
from streamforest.features import recurrence
from streamforest.features.season import keep_points, seasonal
from streamforest.features.sorting import inner_extremes

#: Residuals are measured in their own running median, which many anomalies among the points do not spoil: points
#: that it remembers, and the least it falls to, in units of the stream.
SCALE_MEMORY = 150.0
#: Points that it remembers of the residuals before a new season.
FEW_POINTS = 40.0
FINEST_SCALE = 0.01
#: Points that the share of points that stand out remembers. The median is that of the others, which shifts its rank;
#: shares above the second number are not made up for, so that a scale that is too small finds its way back.
FAR_MEMORY, MOST_FAR = 500.0, 0.4
#: The mean residual at a point of the season counts where it exceeds so many medians. A Gaussian's is 1.2; the rest is
#: an allowance for its error over the last few seasons.
PHASE_SCALE = 2.1
#: The same against the median of those means, which many outliers raise as much as each of them: a scale that grows by
#: what it let pass would let pass more. Above so many medians a mean counts whatever the others are: most residuals of
#: a device that is on or off are nothing, and the rest is where it switches.
PHASE_SHARE, MOST_PHASE_SCALE = 1.75, 2.7
#: So does that of the points beside it, as what comes each season comes now and then a point early or late, where less
#: than this share of the points stands out: with more, such a point is itself one. On the named profiles 0.80 of spikes
#: and dips at probability 0.005 are found so (0.74 without), at 0.1 and 0.2 as many as without.
FEW = 0.05

#: The histogram of the sizes of residuals: bins an octave, lower edge of the second bin in medians, number of bins.
#: It ends at 1,000 medians.
OCTAVE, LEAST, BINS = 6, 0.5, 66
EDGES = LEAST * 2.0 ** ((np.arange(BINS) - 1) / OCTAVE)  # lower ones; the first bin begins at 0
#: Residuals of a side that it remembers, and those of a Gaussian that it starts with.
HISTOGRAM_MEMORY, PRIOR = 4000.0, 20.0
#: A Gaussian's median size, in standard deviations.
GAUSSIAN_MEDIAN = 0.6745
#: Points between two looks at the histogram.
LOOK_EVERY = 16

#: Shares beyond the two quantiles that tell where the bulk ends: so far inside that a side may have a quarter of its
#: points beyond the bulk. It ends where a Weibull tail through them leaves the third share or, where more lies beyond
#: than any tail has, OWN times the excess.
INNER, OUTER, END, OWN = 0.5, 0.25, 0.01, 0.15
#: Shares beyond the two quantiles that the band's edge is carried on from, and the least shape of that Weibull tail:
#: Student's t with 2 degrees of freedom has it. Where what stands out is among the bulk, for want of a gap, both lie
#: inside it: the second has beyond it as many as stand out, up to MOST_AT_EDGE, the first so many times as many.
NEAR_EDGE, AT_EDGE, MOST_AT_EDGE, NEARER, HEAVIEST = 0.1, 0.01, 0.05, 2.5, 0.6
#: The bulk has at least this share of a side, and may end from this bin on: two standard deviations of a Gaussian.
LEAST_BULK, FIRST_END = 0.5, 16
#: Bins behind the end of the bulk for the rest of its tail (up to 1.4 times the end), and bins of the gap behind them
#: (up to 2 times the end). In the gap may lie this share of the points beyond it, and so many more by chance,
#: twice as many once there was a gap: a band that leaps between two edges tells nothing. On the
#: development boards heavy tails have 0.27 to 1 of them there, simulated outliers of 6 to 40 deviations up to 0.2.
TAIL_BINS, GAP_BINS, LEAK, SLACK, LATER_SLACK = 3, 3, 0.4, 2.0, 4.0
#: No tail has this share of the points so far beyond the bulk that they stand out: Student's t with 2 degrees of
#: freedom has 0.005.
NO_TAIL = 0.1
#: Points beyond a gap from which on it is certain; the edge is then never stretched beyond this multiple of the bulk's
#: end, which leaves OUTSIDE times the edge on the near side of the gap.
CERTAIN, CAP = 5.0, 1.2
#: The edge is not nearer than this many medians, 2.7 standard deviations of a Gaussian, where so few are to lie beyond
#: it, and in proportion to the logarithm where more or fewer are.
NARROWEST, NARROWEST_RATE = 4.0, 0.001
#: Residuals up to this multiple of the edge correct it, by this gain; range of the correction.
CORRECTED, STRETCH_GAIN, LEAST_STRETCH, MOST_STRETCH = 1.25, 0.1, 0.8, 2.0
#: Where it starts: a new stream is given the benefit of the doubt.
FIRST_STRETCH = 1.1

#: A point stands out where it is this many times as far off as the edge of the band; and where outliers are certainly a
#: population of their own, so that the edge is known from the near side of the gap.
OUTSIDE, NEAR = 1.5, 1.15
#: It is marked where this share of the rate is left of what usual residuals exceed: a Gaussian's are 1.25 times as far
#: off there as the edge, an exponential's 1.6. Before so many points the tail is not known, and OUTSIDE holds. On the
#: default stream 0.97 of spikes and dips at probability 0.005 are found so, 0.95 with OUTSIDE throughout.
MARGIN_SHARE, MARGIN_POINTS = 0.02, 1000.0
#: A residual below this many units is none: its sign depends on the unit that the stream is written in.
ROUNDING = 1e-9
#: A value farther off than this many half widths of the band is learned as one that is as far off as that.
BOUND = 30.0
#: What is off by less than this share of the range of the last 512 values stands out to nobody who sees them drawn:
#: nine pixels of a usual window. Of the alarms outside the band without a label 1 in 10 on one development board and
#: 1 in 23 on the other was nearer, of those in an event 1 in 55 and 1 in 90. So many values on either side may be wild.
VISIBLE, WILD = 0.02, 3
#: A value that is this share of the range of the last values beyond it is usual in no stream, however far apart its
#: states are: of a block of so many and of that before it, but for one of each on either side, which may be wild. With
#: three, each 2 among counts of 0.1 in the mean would be one.
BEYOND, BLOCK = 0.5, 512
#: Points in a row that stand out alike and are the new level then, whose first two are outliers; outliers in a row that
#: are not alike, and those that are marked of an excursion, whose first points may lie inside the band.
SETTLED, MOST_IN_A_ROW = 5, 4
#: Points after a jump until nothing of it is left, points that a value at the level before it may be a return for, and
#: points in a row there that make it the level again.
OLD_LEVEL, RETURN, BACK = 200.0, 30.0, 2
#: Points after one that stood out until nothing of it is left in what remembers the last points.
ECHO = 30.0
#: An excursion of more points than this is none of an outlier; the sizes of one of more points than the second number
#: are not entered into the histogram. Bursts of three and four points that come at random stand out each time: with 2,
#: a real server's widened the band to 15 times its noise. With 6, the steps of a development board are marked.
SHORT, SIZED = 4, 2

FIELDS = [
    ("scale", "f8"),
    ("scale_points", "f8"),
    ("histogram", "f4", (2, BINS)),  # residuals upwards and downwards
    ("weight", "f8", (2,)),  # of one residual that is entered now
    ("edge", "f8", (2,)),  # of the band, medians
    ("stretch", "f8", (2,)),  # by which the edge is wrong
    ("cap", "f8", (2,)),  # to the edge, medians
    ("margin", "f8", (2,)),  # multiples of the band's half width from which on outliers are marked
    ("bulk", "f8", (2,)),  # where the bulk ends, medians
    ("is_apart", "i8", (2,)),  # whether there is a gap behind it
    ("look", "i8"),  # points until the histogram is looked at again
    ("calm", "f8"),  # points in a row that did not stand out
    ("block", "i8"),  # readings in this block
    ("extreme_values", "f8", (2, 2, 2)),  # greatest of this block and the last, least with the other sign
    ("headroom", "f8", (2,)),  # from the forecast to where no value was by far, units
    ("visible", "f8"),  # distance from what is usual that can be seen beside the last values, units
    ("old_level", "f8"),  # the season taken out
    ("old_age", "f8"),
    ("back", "i8"),  # points in a row that were at it
    ("before", "f8"),  # the level before the excursion
    ("run_far", "i8"),  # points in a row that stood out
    ("run_outside", "i8"),  # of them outside the band, as far as they were marked
    ("alike", "i8"),  # of them in a row that were alike
    ("new_level", "f8"),  # their mean
    ("far_share", "f8"),  # of the points that stood out
    ("side", "i8"),  # of the excursion that goes on
    ("foreseen", "i8"),  # whether it was
    ("waiting", "f8", (SIZED,)),  # sizes of its first points, medians: the histogram takes those of one no longer
    ("largest_usual", "f8", (2,)),  # excursion of each side, units
    ("least_outlier", "f8"),  # size, in units
    *recurrence.FIELDS,
]

#: What :func:`hold_against_band` gives.
BAND_FIELDS = [
    ("raw", "f8"),  # the value, units
    ("residual", "f8"),  # against the forecast or, where that is nearer, the level before the last jump; units
    ("excess", "f8"),  # the same in distances of the band's edge
    ("reach", "f8"),  # from where on a value stands out, units
    ("is_far", "i8"),  # whether it does
    ("is_alone", "i8"),  # and is neither foreseen nor a new level, as far as can be told: it is not learned
    ("is_outlier", "i8"),  # and lies so far outside the band that it is marked
    ("is_certain", "i8"),  # whether outliers of its side are a population of their own, behind a gap
    ("is_foreseen", "i8"),  # part of an excursion that came as others did before
    ("is_echo", "i8"),  # usual again after a jump: what remembers the last tens of points may not have seen it
    ("is_back", "i8"),  # at the level before the last jump
    ("bounded", "f8"),  # the value as it is learned
]


@compiled
def begin_band(state: Record) -> None:
    """Set what does not start at 0: the tail of a Gaussian."""
    state.scale = GAUSSIAN_MEDIAN
    state.old_age = OLD_LEVEL
    state.calm = ECHO
    state.extreme_values[:] = -np.inf
    state.headroom[:] = np.inf
    state.weight[:] = 1.0
    state.edge[:] = NARROWEST
    state.stretch[:] = FIRST_STRETCH
    state.cap[:] = np.inf
    state.margin[:] = OUTSIDE
    state.bulk[:] = NARROWEST
    for side in range(2):
        above = 1.0
        for i in range(BINS):
            below = math.erfc(EDGES[i + 1] * GAUSSIAN_MEDIAN / math.sqrt(2.0)) if i < BINS - 1 else 0.0
            state.histogram[side, i] = np.float32(PRIOR * (above - below))
            above = below


@compiled
def forget_sizes(state: Record) -> None:
    """Let the scale move as freely as after few points: a new season leaves other residuals.

    What came again may do so at its phase, where the season foretells it: it widens the band no more.
    """
    state.scale_points = min(state.scale_points, FEW_POINTS)
    if state.season:
        recurrence.forget_usual(state)
        state.largest_usual[:] = 0.0


@compiled
def _bin_of(size: float) -> int:
    size = min(size, 2.0 * EDGES[BINS - 1])  # an infinite one would have no bin
    return min(int(OCTAVE * np.log2(size / LEAST)) + 1, BINS - 1) if size > LEAST else 0


@compiled
def _enter(state: Record, side: int, size: float) -> None:
    weight = state.weight[side] * (1.0 + 1.0 / min(0.5 * state.scale_points + PRIOR, HISTOGRAM_MEMORY))
    state.histogram[side, _bin_of(size)] += np.float32(weight)
    if weight > 1e6:
        for i in range(BINS):
            state.histogram[side, i] = np.float32(state.histogram[side, i] / weight)
        weight = 1.0
    state.weight[side] = weight


@compiled
def _quantile(beyond: NDArray[np.float64], top: int, share: float) -> float:
    """Size that a share of what lies in the bins below ``top`` exceeds."""
    wanted = beyond[top] + share * (beyond[0] - beyond[top])
    low, high = 0, top  # beyond[low] >= wanted > beyond[high], or next to each other
    while high - low > 1:
        middle = (low + high) // 2
        if beyond[middle] >= wanted:
            low = middle
        else:
            high = middle
    if low == 0:
        return float(EDGES[1])
    part = (beyond[low] - wanted) / (beyond[low] - beyond[high]) if beyond[low] > beyond[high] else 0.0
    return float(EDGES[low] * 2.0 ** (part / OCTAVE))


@compiled
def _carried_on(beyond: NDArray[np.float64], top: int, inner: float, outer: float, rate: float) -> float:
    """Quantile at the rate of what lies in the bins below ``top``, by a Weibull tail through two others, shares too."""
    near, far = _quantile(beyond, top, inner), _quantile(beyond, top, outer)
    if not far > near:
        return far
    shape = max(math.log(math.log(outer) / math.log(inner)) / math.log(far / near), HEAVIEST)
    return float(far * (math.log(rate) / math.log(outer)) ** (1.0 / shape))


@compiled
def _edge(beyond: NDArray[np.float64], top: int, rate: float, at: float) -> float:
    """Edge of the band: the quantile at the rate of what lies below ``top``, carried on from the one at ``at``."""
    if rate >= NEAR_EDGE:
        return _quantile(beyond, top, rate)
    return _carried_on(beyond, top, max(NEAR_EDGE, NEARER * at), at, rate)


@compiled
def _end_of_bulk(beyond: NDArray[np.float64]) -> int:
    """First bin beyond the bulk: where its own tail, carried on from its inner quantiles, says that it ends."""
    for end in range(FIRST_END, BINS - GAP_BINS - TAIL_BINS):
        share = beyond[end] / beyond[0]
        if (
            share <= 1.0 - LEAST_BULK
            and _carried_on(beyond, end, INNER, OUTER, max(END, OWN * (share - NO_TAIL))) <= EDGES[end]
        ):
            return end
    return BINS - GAP_BINS - TAIL_BINS


@compiled
def _is_apart(beyond: NDArray[np.float64], end: int, was_apart: int) -> bool:
    """Whether what lies beyond the bulk is a population of its own behind a gap, and not the rest of a heavy tail."""
    far = beyond[end + TAIL_BINS + GAP_BINS]
    return bool(beyond[end + TAIL_BINS] - far <= LEAK * far + (LATER_SLACK if was_apart else SLACK))


@compiled
def _made_up_for(state: Record) -> float:
    """Share of the points that stand out, 0 where they are too many to be the exception."""
    return float(state.far_share) if state.far_share < MOST_FAR else 0.0


@compiled
def _end_excursion(state: Record) -> None:
    recurrence.count_points(state, state.run_far)
    if state.run_far <= SIZED:
        for i in range(state.run_far):
            if state.waiting[i] <= BOUND * state.edge[state.side]:  # a wild one is nobody's tail
                _enter(state, state.side, state.waiting[i])
    if state.run_far > SHORT or state.foreseen:
        recurrence.end_excursion(state, recurrence.NEW_LEVEL if state.alike >= SETTLED else recurrence.USUAL)
    state.largest_usual[state.side] = recurrence.largest_usual(state, 1.0 - 2.0 * state.side, _made_up_for(state))
    state.least_outlier = recurrence.least_outlier(state)
    state.run_far = state.run_outside = state.alike = 0


@compiled
def _look(state: Record, side: int, rate: float) -> None:
    """Find the edge of the band from the histogram."""
    beyond = np.empty(BINS + 1)  # in each bin and those above
    total = 0.0
    beyond[BINS] = 0.0
    for i in range(BINS - 1, -1, -1):
        total += state.histogram[side, i] / state.weight[side]
        beyond[i] = total
    end = _end_of_bulk(beyond)
    state.bulk[side] = max(min(_carried_on(beyond, end, INNER, OUTER, END), EDGES[end]), NARROWEST)
    state.cap[side] = np.inf
    state.is_apart[side] = _is_apart(beyond, end, state.is_apart[side])
    top = end + TAIL_BINS if state.is_apart[side] or state.far_share > NO_TAIL else BINS
    at = min(max(float(state.far_share), AT_EDGE), MOST_AT_EDGE) if top == BINS else AT_EDGE
    edge = _edge(beyond, top, rate, at)
    if state.scale_points >= MARGIN_POINTS:
        state.margin[side] = max(_edge(beyond, top, MARGIN_SHARE * rate, at) / edge, NEAR)
    if top < BINS and beyond[end + TAIL_BINS + GAP_BINS] > CERTAIN:
        edge = min(edge, _carried_on(beyond, end, INNER, OUTER, rate))
        state.cap[side] = CAP * state.bulk[side]
    if state.largest_usual[side] > 0.0:
        # what was usual is so no longer once it has not come for long
        state.largest_usual[side] = recurrence.largest_usual(state, 1.0 - 2.0 * side, _made_up_for(state))
    usual = state.largest_usual[side] / scale_now(state)
    edge, state.cap[side] = max(edge, usual), max(state.cap[side], usual)
    state.edge[side] = max(edge, NARROWEST * math.log(rate) / math.log(NARROWEST_RATE))


@compiled
def look_at_band(state: Record, rate: float, forecast: float) -> None:
    """Find both edges of the band, and what can be seen, anew where it is time to; a forecast in units."""
    state.look -= 1
    if state.look < 0:
        state.look = LOOK_EVERY - 1
        lowest, highest = inner_extremes(state.ring, WILD)
        state.visible = VISIBLE * (highest - lowest)
        _look(state, 0, rate)
        _look(state, 1, rate)
    if state.extreme_values[0, 1, 1] > -np.inf:  # a block is over
        highest, lowest = _farthest(state, 0), -_farthest(state, 1)
        beyond = BEYOND * (highest - lowest)
        state.headroom[0] = highest + beyond - forecast
        state.headroom[1] = forecast - (lowest - beyond)


@compiled
def _farthest(state: Record, side: int) -> float:
    """The greatest value (side 0), or the least with the other sign (1), of two blocks but for one in each."""
    return max(float(state.extreme_values[side, 0, 1]), float(state.extreme_values[side, 1, 1]))


@compiled
def _learn_extremes(state: Record, y: float) -> None:
    """Take a value into the block of readings; missing ones do not count, so that each block has had its values."""
    for side in range(2):
        value, block = y if side == 0 else -y, state.extreme_values[side, 0]
        if value > block[0]:
            block[0], block[1] = value, block[0]
        elif value > block[1]:
            block[1] = value
    state.block += 1
    if state.block == BLOCK:
        state.block = 0
        for side in range(2):
            for k in range(2):
                state.extreme_values[side, 1, k] = state.extreme_values[side, 0, k]
                state.extreme_values[side, 0, k] = -np.inf


@compiled
def scale_now(state: Record) -> float:
    """Size of a usual residual at this point of the season, in units."""
    scale = max(float(state.scale), FINEST_SCALE)
    if state.season:
        spread = 0.0
        near = 1 if state.far_share < FEW else 0
        for step in range(-near, near + 1):
            k = (state.phase + step + state.season) % state.season
            spread = max(spread, float(state.phase_spread[k]))
        least = min(max(PHASE_SHARE * state.usual_spread, PHASE_SCALE * scale), MOST_PHASE_SCALE * scale)
        scale *= max(spread / least, 1.0)
    return scale


@compiled
def half_width(state: Record, side: int) -> float:
    """From the forecast to the upper edge (side 0) or the lower one (1) of the band, in units."""
    scale = scale_now(state)
    width = scale * min(float(state.edge[side] * state.stretch[side]), float(state.cap[side]))
    return min(width, max(float(state.headroom[side]), NARROWEST * scale))


@compiled
def _begin_excursion(state: Record, side: int, off: float, is_beyond: bool) -> None:
    state.side = side
    is_state = not is_beyond and recurrence.is_usual_size(state, off, state.far_share)
    state.foreseen = is_state or recurrence.is_foreseen(state, off)
    recurrence.remember_excursion(state, off)


@compiled
def _goes_on(state: Record, y: float, width: float) -> bool:
    """Whether a point goes on where the one before it is, to within a width, and that and one more stood out."""
    return bool(state.run_far >= 2 and abs(y - state.last) <= width)


@compiled
def _side_of(off: float) -> int:
    """0 for the upper side of the band, 1 for the lower one, which has what is off by rounding alone."""
    return 0 if off > ROUNDING else 1


@compiled
def hold_against_band(state: Record, y: float, forecast: float, buffers: Record) -> None:
    """Fill in how far a value is from what is usual, and whether it is an outlier.

    Parameters
    ----------
    state : record with FIELDS
    y, forecast : float
        The value and what was expected, in units.
    buffers : record with BAND_FIELDS
        Output.
    """
    buffers.raw = y
    off = y - forecast
    outer = half_width(state, _side_of(off))
    near = off
    buffers.is_back = False
    if state.old_age < RETURN:
        old = y - seasonal(state) - state.old_level
        if abs(old) < abs(near):
            near = old
            buffers.is_back = abs(off) > OUTSIDE * outer
    side = _side_of(near)
    buffers.residual = near
    buffers.excess = abs(near) / half_width(state, side)
    buffers.is_certain = state.cap[side] < np.inf
    outside = NEAR if buffers.is_certain else OUTSIDE
    buffers.reach = max(outside * scale_now(state) * min(state.bulk[side], state.edge[side]), state.visible)
    is_far = abs(near) > buffers.reach
    buffers.is_far = is_far
    is_beyond = abs(off) > state.headroom[_side_of(off)]
    if is_far and state.run_far == 0:
        _begin_excursion(state, side, near, is_beyond)
    stands_out = (
        is_far
        and not state.foreseen
        and abs(near) >= state.least_outlier
        and (is_beyond or recurrence.are_outliers(state, near, _made_up_for(state)))
    )
    buffers.is_alone = (
        stands_out and state.run_far < MOST_IN_A_ROW and not _goes_on(state, y, scale_now(state) * state.edge[side])
    )
    # far from the level before the last jump too, whose side may be the other one
    buffers.is_outlier = (
        stands_out
        and state.run_outside < MOST_IN_A_ROW
        and not _goes_on(state, y, scale_now(state) * min(state.bulk[side], state.edge[side]))
        and (is_beyond or buffers.excess > (NEAR if buffers.is_certain else state.margin[side]))
        and abs(off) > outer
    )
    if buffers.is_outlier:
        state.run_outside += 1
    buffers.is_foreseen = state.foreseen and (is_far or state.old_age < OLD_LEVEL)
    buffers.is_echo = (state.old_age < OLD_LEVEL or state.calm < ECHO) and buffers.excess <= 1.0
    most = BOUND * outer
    buffers.bounded = y if abs(off) <= most else forecast + (most if off > 0.0 else -most)


@compiled
def _learn_size(state: Record, side: int, size: float, is_far: bool) -> None:
    """Enter the size of a residual into the histogram, and follow the median."""
    if not is_far:
        _enter(state, side, size / scale_now(state))
    elif state.run_far < SIZED:
        state.waiting[state.run_far] = size / scale_now(state)
    state.scale_points += 1.0
    scale = max(float(state.scale), FINEST_SCALE)
    gain = 2.0 / min(state.scale_points + 10.0, SCALE_MEMORY)
    above = 0.5 + 0.5 * _made_up_for(state)
    state.scale = max(scale * (1.0 + gain * ((1.0 if size > scale else 0.0) - above)), FINEST_SCALE)


@compiled
def _correct(state: Record, side: int, excess: float, rate: float) -> None:
    """Stretch the edge where more than the rate lie just outside, and shrink it where fewer do.

    Of an excursion only the first point counts: those that climb to its peak say nothing of the edge.

    References
    ----------
    Gibbs and Candes, "Adaptive conformal inference under distribution shift", NeurIPS 2021, arXiv 2106.00170,
    equation 2, here in the logarithm.
    """
    if excess < CORRECTED and state.run_far == 0:
        outside = 1.0 if excess > 1.0 else 0.0
        stretch = state.stretch[side] * (1.0 + STRETCH_GAIN * (outside - rate))
        state.stretch[side] = min(max(stretch, LEAST_STRETCH), MOST_STRETCH)


@compiled
def learn_band(state: Record, y: float, level: float, rate: float, buffers: Record) -> bool:
    """Learn a residual.

    Parameters
    ----------
    state : record with FIELDS
    y, level : float
        The value, and the forecast before it without the season.
    rate : float
        Share of normal values outside the band, in (0, 0.5).
    buffers : record with BAND_FIELDS
        As :func:`hold_against_band` left it.

    Returns
    -------
    bool
        Whether the level is another one now, ``state.new_level``: a new one that has settled, or the one before.
    """
    _learn_extremes(state, buffers.raw)
    side = _side_of(buffers.residual)
    width = scale_now(state) * state.edge[side]
    is_far = bool(buffers.is_far)
    if y != state.last:
        _learn_size(state, side, abs(buffers.residual), is_far)
    _correct(state, side, buffers.excess, rate)
    state.old_age += 1.0
    state.calm = 0.0 if is_far else state.calm + 1.0
    state.far_share += ((1.0 if is_far else 0.0) - state.far_share) / min(state.scale_points + 10.0, FAR_MEMORY)
    r = y - seasonal(state)
    if is_far:
        # as it came: values that are held to a bound, which moves, are never alike
        return _follow_excursion(state, buffers.raw - seasonal(state), level, width)
    if state.run_far:
        _end_excursion(state)
    state.back = state.back + 1 if buffers.is_back else 0
    if state.back < BACK:
        return False
    recurrence.end_excursion(state, recurrence.USUAL)
    state.new_level, state.old_level, state.old_age = r, level, 0.0
    state.back = state.foreseen = 0
    return True


@compiled
def _follow_excursion(state: Record, r: float, level: float, width: float) -> bool:
    """Take a point of an excursion; whether it is the new level."""
    if state.run_far == 0:
        state.before = level
    state.run_far += 1
    # a majority vote (Boyer and Moore 1981): outliers on top of a new level only delay it
    if state.alike and abs(r - state.new_level) <= width:
        state.alike += 1
        state.new_level += (r - state.new_level) / state.alike
    elif state.alike > 1:
        state.alike -= 1
    else:
        state.alike = 1
        state.new_level = r
    if state.alike < SETTLED:
        return False
    state.old_level, state.old_age = state.before, 0.0
    _end_excursion(state)
    keep_points(state, SETTLED, state.new_level, width)
    return True

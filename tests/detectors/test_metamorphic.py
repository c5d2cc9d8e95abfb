"""What must not change a decision: one wild reading long ago, even times, another unit. No labels are needed for it."""

from functools import cache

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streamforest.detectors.isolation_forest import StreamDetector
from streamforest.models.model_file import load_model
from tests import kinds
from tests.kinds import calm_stream, planted, spread_of

RATE = 0.001
#: Points after which a wild reading must be overcome, and the largest share of decisions that may still differ.
OVERCOME, MOST_DIFFERING = 300, 0.002
STREAMS = ("default", "random", "sensor", "server", "payments", "energy", "web")
WILD = (1e3, 1e5, 1e9, -1e9)
POINTS, SPIKES, SHIFT = 4000, (2100, 2311, 2722, 3120), 3500
#: First and last point of each planted fault.
FAULTS = (*((at, at) for at in SPIKES), (SHIFT, SHIFT + 5))
#: The same examples in each run: what is claimed is statistical.
REPEATABLE = settings(max_examples=100, deadline=None, derandomize=True)


@pytest.fixture(scope="module")
def model():
    return load_model(kinds.SHIPPED)


@pytest.fixture(scope="module")
def alarms(model):
    """Decisions of a fresh detector."""
    detector = StreamDetector(model, RATE)
    fresh = detector.state()

    def judge(values, times=None):
        detector.restore(fresh)
        return detector.update_many(values, times)["is_anomaly"]

    return judge


@pytest.fixture(scope="module")
def faulty(alarms):
    """A stream with spikes of 15 spreads and a level shift of 12, and the decisions on it."""

    @cache
    def make(name, seed):
        values, times = calm_stream(name, seed, POINTS)
        spread = spread_of(values)
        values[list(SPIKES)] += 15.0 * spread
        values[SHIFT:] += 12.0 * spread
        return values, times, spread, alarms(values, times)

    return make


def found(decisions, faults):
    return [bool(decisions[first : last + 1].any()) for first, last in faults]


def lost(before, after):
    """Which of the faults that were found are not any more."""
    return [at for at, (was, remains) in enumerate(zip(before, after, strict=True)) if was and not remains]


# Wild readings


@pytest.mark.parametrize("sizes", [(1e3,), (-1e5,), WILD], ids=["1e3", "-1e5", "all sizes"])
@pytest.mark.parametrize(("name", "seed"), [("default", 0), ("random", 0), ("random", 1), ("energy", 0), ("web", 0)])
def test_ten_wild_readings_in_a_month_change_next_to_nothing(name, seed, sizes, alarms):
    rng = np.random.default_rng([seed, 77])
    apart = 864  # points: a tenth of 30 days of five minutes
    values, times = calm_stream(name, seed, 10 * apart)
    spread, places = spread_of(values), np.arange(10) * apart
    faults = [(at, at) for at in (places + 600).tolist()]
    values[places + 600] += 15.0 * spread
    before = alarms(values, times)
    wild = places + rng.integers(0, OVERCOME, 10)
    changed = values.copy()
    changed[wild] += rng.choice(sizes, 10) * spread
    after = alarms(changed, times)
    counts = np.ones(values.size, dtype=bool)
    for at in wild:
        counts[at : at + OVERCOME] = False
    assert lost(found(before, faults), found(after, faults)) == []
    assert np.mean((before != after)[counts]) <= MOST_DIFFERING


# Times


@pytest.mark.parametrize("kind", [kind for kind in kinds.FAULTS if kind not in ("missed", "level shift")])
def test_even_times_lose_no_find(kind, alarms):
    """Of 34 streams of a kind, seeds 0 to 33."""
    gone = []
    for seed in range(34):
        values, (first, last) = planted(kind, seed)
        step = (60.0, 300.0, 900.0, 3600.0)[seed % 4]
        bare, timed = alarms(values), alarms(values, kinds.clock(values.size, step))
        if lost(found(bare, [(first, last)]), found(timed, [(first, last)])):
            gone.append(seed)
    assert gone == []


# Units


@REPEATABLE
@given(
    st.sampled_from(STREAMS),
    st.integers(0, 4),
    st.sampled_from([1e-6, 1e6]),
    st.floats(-1e6, 1e6, allow_subnormal=False),
)
@example("default", 0, 1e-6, 0.0)
def test_another_unit_and_another_zero_change_no_decision(alarms, faulty, name, seed, unit, zero):
    """The zero moves by so many spreads; by far more, rounding would eat the noise."""
    values, times, spread, before = faulty(name, seed)
    np.testing.assert_array_equal(alarms(values * unit + zero * spread * unit, times), before)

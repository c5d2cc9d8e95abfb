import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streamforest.figures.ranges import REACH, extremes, usual_range


def usual(values, lower=np.nan, upper=np.nan, flagged=()):
    is_anomaly = np.isin(np.arange(len(values)), flagged)
    return usual_range(np.asarray(values, float), *(np.full(len(values), edge) for edge in (lower, upper)), is_anomaly)


def test_a_wide_band_does_not_squeeze_the_values():
    values = np.array([1.0, 2.0, 3.0])
    band = np.array([-1e6, 1.0, 1.0]), np.array([1e6, 3.0, 3.0])
    assert usual_range(values, *band, np.zeros(3, bool)) == (-1.0, 5.0)


@settings(max_examples=60)
@given(seed=st.integers(0, 99), n=st.integers(30, 2000), share=st.floats(0, 0.1), size=st.floats(30, 1e9))
def test_wild_values_flatten_nothing_whether_they_are_flagged_or_a_few_that_are_not(seed, n, share, size):
    rng = np.random.default_rng(seed)
    values = rng.uniform(-1, 1, n)
    flagged = rng.choice(n, int(share * n), replace=False)
    values[flagged] *= size
    calm = np.setdiff1d(np.arange(n), flagged)
    values[calm[:2]] = size, -size
    low, high = usual(values, flagged=flagged)
    rest = values[calm[2:]]
    assert low <= rest.min() < rest.max() <= high
    assert high - low <= (1 + 2 * REACH) * (rest.max() - rest.min())


def test_a_value_that_is_not_far_off_stands_at_its_place_and_so_does_all_that_departs_from_a_constant():
    values = np.r_[np.linspace(0, 1, 100), 2.8]
    assert usual(values, flagged=[100]) == (0.0, 2.8)
    assert usual(np.r_[np.full(100, 5.0), 90.0], flagged=[100]) == (5.0, 90.0)
    assert usual([1.0, 500.0], flagged=[0, 1]) == (1.0, 500.0)
    assert np.isnan(usual([np.nan, np.nan])).all()
    assert usual([np.nan], 1.0, 2.0) == (1.0, 2.0)


def test_extremes_pass_over_what_is_unknown():
    assert extremes(np.array([np.nan, 2.0, 1.0]), np.array([]), np.array([5.0])) == (1.0, 5.0)
    assert np.isnan(extremes(np.array([]))).all()

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamforest.features.windows import (
    FINEST_SPREAD,
    GAIN,
    MOST,
    N_SCALES,
    REACH,
    REACH_AFTER,
    SCALES,
    WINDOW,
    add_up,
    look_back,
    new_windows,
    next_point,
    push,
    windows_of,
)
from tests import naive


def followed(values, k):
    """The stored window after all values, and the points of the scale so far."""
    record, points = new_windows()[0], []
    for y in values:
        if add_up(record, k, y):
            points.append(next_point(record, k))
            push(record, k, points[-1])
        record["taken"] += 1
    window = np.empty(WINDOW, dtype=np.float32)
    look_back(record, k, window)
    return window, points


@pytest.mark.parametrize("k", range(N_SCALES))
@settings(deadline=None)
@given(seed=st.integers(0, 2**32 - 1), missing=st.sampled_from([0.0, 0.05, 0.9]))
def test_a_window_is_that_of_the_slow_twin(k, seed, missing):
    rng = np.random.default_rng(seed)
    values = rng.standard_t(2, size=SCALES[k] * int(rng.integers(2, 80)))
    values[rng.random(values.size) < missing] = np.nan
    window, points = followed(values, k)
    blocks = values.reshape(-1, SCALES[k])
    means = [np.mean(block[~np.isnan(block)]) if (~np.isnan(block)).any() else np.nan for block in blocks]
    np.testing.assert_allclose(points, means, rtol=1e-12, atol=1e-12)
    expected, _, _ = naive.window_of([*points, np.nan], GAIN, REACH, REACH_AFTER, FINEST_SPREAD, MOST)
    padded = [np.nan] * WINDOW + expected
    np.testing.assert_allclose(window, padded[-WINDOW:], rtol=1e-5, atol=1e-5)


def test_the_newest_point_is_hidden_and_level_and_spread_know_nothing_of_it():
    values = np.random.default_rng(1).normal(size=300)
    before, _ = followed(values[:200], 0)
    assert np.isnan(before[-1])
    changed = values.copy()
    changed[200:] = 1e6
    np.testing.assert_array_equal(followed(changed[:200], 0)[0], before)


def test_a_point_of_a_scale_in_which_all_is_missing_is_missing():
    values = np.ones(32)
    values[8:12] = np.nan
    _, points = followed(values, SCALES.index(4))
    assert np.flatnonzero(np.isnan(points)).tolist() == [2]


@pytest.mark.parametrize("k", range(N_SCALES))
def test_training_windows_are_of_any_unit_and_hold_the_newest_point(k):
    values = np.random.default_rng(1).normal(size=4000)
    windows = windows_of(values, k)
    assert windows.shape == (4000 // SCALES[k] - 24, WINDOW)
    np.testing.assert_allclose(windows_of(1e6 + 250.0 * values, k), windows, atol=1e-3)
    assert not np.isnan(windows[:, -1]).any()
    np.testing.assert_allclose(windows[:, -1].std(), 1.0, atol=0.2)


def test_values_not_to_be_learned_are_unknown_in_training_windows():
    values = np.random.default_rng(1).normal(size=500)
    values[100:110] = np.nan
    windows = windows_of(values, 0)
    assert np.isnan(windows[100 - 24 : 110 - 24, -1]).all()
    assert np.isnan(windows[110 - 24, -11:-1]).all()
    assert not np.isnan(windows[150 - 24]).any()


@pytest.mark.parametrize("values", [[], [1.0] * 10, [np.nan] * 50])
def test_a_stream_too_short_to_know_its_unit_gives_no_windows(values):
    assert len(windows_of(np.array(values), 0)) == 0

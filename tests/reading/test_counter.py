import numpy as np
import pytest

from streamforest.protocols import POINT_DTYPE, STREAM_POINT_DTYPE
from streamforest.reading.counter import CounterRates, is_counter


def points_of(values, times=None, streams=None):
    points = np.zeros(len(values), POINT_DTYPE if streams is None else STREAM_POINT_DTYPE)
    points["value"], points["label"] = values, -1
    points["time"] = np.nan if times is None else times
    if streams is not None:
        points["stream"] = streams
    return points


def growth(values, times=None, streams=None):
    return CounterRates().of(points_of(values, times, streams))["value"].tolist()


def total(n, seed=1):
    return np.cumsum(np.random.default_rng(seed).poisson(3, n)).astype(float)


def test_a_total_that_grows_by_steps_of_different_sizes_is_a_counter():
    assert is_counter(total(400))
    assert is_counter(total(150), "bytes_total")
    assert not is_counter(total(150), "temperature")
    with_resets = np.concatenate([total(300), total(300)])
    assert is_counter(with_resets)
    once_back = total(400)
    once_back[200:] -= 3
    assert is_counter(once_back)


@pytest.mark.parametrize(
    "values",
    [np.arange(1000.0), np.random.default_rng(1).normal(20, 1, 1000), -total(400), np.full(500, 7.0), total(20)],
    ids=["a ramp", "noise", "it falls", "it stands", "few"],
)
def test_what_only_looks_a_little_like_one_is_none(values):
    assert not is_counter(values)


def test_growth_is_counted_a_second_or_a_reading():
    np.testing.assert_array_equal(growth([5, 7, 10], [0, 2, 3]), [np.nan, 1, 3])
    np.testing.assert_array_equal(growth([5, 7, 10]), [np.nan, 2, 3])


def test_a_gap_is_spread_over_the_growth_behind_it():
    np.testing.assert_array_equal(growth([5, np.nan, 9]), [np.nan, np.nan, 2])
    np.testing.assert_array_equal(growth([5, np.nan, 9], [0, 1, 4]), [np.nan, np.nan, 1])


def test_a_reset_begins_at_zero_and_a_small_step_back_is_negative():
    np.testing.assert_array_equal(growth([100, 110, 4, 6, 5.5]), [np.nan, 10, 4, 2, -0.5])


def test_two_readings_at_one_time_leave_their_growth_to_the_next():
    np.testing.assert_array_equal(growth([1, 2, 5], [0, 0, 2]), [np.nan, np.nan, 2])


def test_each_stream_has_its_own_total_and_a_state_goes_on():
    values, streams = [5.0, 100.0, 7.0, 101.0], [0, 1, 0, 1]
    np.testing.assert_array_equal(growth(values, streams=streams), [np.nan, np.nan, 2, 1])
    first, second = CounterRates(), CounterRates()
    first.of(points_of(values[:2], streams=streams[:2]))
    second.restore(first.state())
    assert second.of(points_of(values[2:], streams=streams[2:]))["value"].tolist() == [2, 1]
    first.forget([0, 7])
    np.testing.assert_array_equal(first.of(points_of(values[2:], streams=streams[2:]))["value"], [np.nan, 1])

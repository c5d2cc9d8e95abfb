import numpy as np
import pytest

from streamforest.protocols import POINT_DTYPE, STREAM_POINT_DTYPE
from streamforest.reading.counter import FIRST, LOUD, CounterRates, JudgedValues, begins_as_counter, is_counter


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


def test_a_reset_begins_at_zero_and_a_small_step_back_is_a_growth_that_no_usual_one_hides():
    np.testing.assert_array_equal(growth([100, 110, 4, 6, 5.5]), [np.nan, 10, 4, 2, -10 * LOUD])
    np.testing.assert_array_equal(growth([100, 100, 70]), [np.nan, 0, -30])


FINE_TOTAL = 5000.0 + np.round(np.cumsum(np.random.default_rng(2).gamma(4.0, 0.1, 60)), 3)


@pytest.mark.parametrize(
    ("values", "name", "found"),
    [
        (FINE_TOTAL, "bytes_total", True),
        (FINE_TOTAL, "Z\u00e4hlerstand [kWh]", True),
        (FINE_TOTAL, "net.rx_bytes", True),
        (FINE_TOTAL, "energy", True),
        (FINE_TOTAL - 5000.0, "requests.total", True),
        (FINE_TOTAL - 5000.0, "energy", False),  # as well what the sun gives from hour to hour in a morning
        (FINE_TOTAL[: FIRST - 1], "bytes_total", None),
        (FINE_TOTAL[::-1], "bytes_total", False),
        (np.append(FINE_TOTAL[:5], FINE_TOTAL[4]), "bytes_total", False),
        (np.floor(FINE_TOTAL / 0.1) * 0.1, "kwh_total", False),
        (5000.0 + 0.3 * np.arange(20), "kwh_total", False),
        (FINE_TOTAL, "temperature", False),
        (FINE_TOTAL, "barometer", False),
        (FINE_TOTAL, "subtotals", False),
    ],
)
def test_what_begins_with_the_name_and_the_growth_of_a_counter_is_one_if_its_steps_are_fine(values, name, found):
    assert begins_as_counter(values[:FIRST] if found else values[:40], name) is found


@pytest.mark.parametrize("size", [1, 5, FIRST, 60])
def test_first_readings_are_held_back_until_they_tell_whatever_the_blocks(size):
    points = points_of(FINE_TOTAL, 60.0 * np.arange(60))
    judged = JudgedValues(None, lambda: "kwh_total")
    parts = []
    for first in range(0, 60, size):
        again = JudgedValues(None, lambda: "kwh_total")
        again.restore(judged.state())
        judged = again
        parts.append(judged.of(points[first : first + size]))
        assert (len(parts[-1]) == 0) == (first + size < FIRST)
    assert judged.is_counter
    np.testing.assert_array_equal(np.concatenate(parts)["value"], CounterRates().of(points)["value"])


def test_a_source_that_ends_before_they_tell_and_one_that_is_no_counter_are_judged_by_their_values():
    points = points_of(FINE_TOTAL[:5])
    judged = JudgedValues(None, lambda: "kwh_total")
    assert len(judged.of(points)) == 0
    assert judged.rest()["value"].tolist() == points["value"].tolist()
    assert (judged.is_counter, len(judged.rest()), judged.state()) == (False, 0, {})
    judged = JudgedValues(None, lambda: "kwh_total")
    judged.of(points)
    assert judged.of(points_of([7.0]))["value"].tolist() == [*points["value"], 7.0]
    assert judged.of(points)["value"].tolist() == points["value"].tolist()
    for said, values in ((True, [np.nan, 2.0]), (False, [5.0, 7.0])):
        np.testing.assert_array_equal(JudgedValues(said, str).of(points_of([5, 7]))["value"], values)


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

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamforest.figures.axes import NumberFormatter, TimeTicks, next_limits, thin_out
from tests.pictures import shown, stream


@given(
    current=st.tuples(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6)),
    low=st.floats(-1e300, 1e300),
    height=st.floats(0, 1e300),
)
def test_new_limits_hold_all_and_are_kept_when_asked_again(current, low, height):
    high = low + height
    limits = next_limits((current[0], current[0] + current[1]), low, high)
    assert limits[0] <= low <= high <= limits[1]
    assert limits[0] < limits[1]
    assert next_limits(limits, low, high) == limits


def test_plain_numbers_tell_neighbouring_ticks_apart():
    write = NumberFormatter()
    for ticks in ([0, 0.5, 1], [1e9, 1e9 + 2e-3, 1e9 + 4e-3], [-2e5, 0, 2e5], [0, 1e-9, 2e-9], [1e307, 2e307], [0.0]):
        labels = write.format_ticks(ticks)
        assert len(set(labels)) == len(ticks)
    assert write.format_ticks([-2e5, 0, 2e5]) == ["\N{MINUS SIGN}200,000", "0", "200,000"]


def test_round_times_stand_where_their_points_are():
    times = 1.7e9 + 60.0 * np.arange(600)
    positions, labels, shared = TimeTicks().place(times, 1000, 6)
    there = np.interp(positions, 1000 + np.arange(600), times)
    assert len(labels) == len(positions) >= 3
    assert np.allclose((there + 1.0) % 3600, 1.0, atol=1e-2)
    assert shared


@pytest.mark.parametrize("most", range(1, 13))
def test_there_are_ticks_for_every_width_of_time_without_a_warning(most):
    for width in np.geomspace(0.5, 3e8, 100):
        positions, labels, _ = TimeTicks().place(1.718e9 + np.linspace(0, width, 50), 0, most)
        assert len(positions) == len(labels) <= 2 * most + 1


@given(st.lists(st.floats(0, 100), max_size=20).map(sorted), st.floats(0.1, 20))
def test_ticks_that_are_left_do_not_overlap(positions, least):
    kept = thin_out([(position, "") for position in positions], least)
    assert all(b[0] - a[0] >= least for a, b in pairwise(kept))
    assert [tick[0] for tick in kept[:1]] == positions[:1]


def test_ticks_are_times_where_there_are_times_and_point_numbers_where_not():
    _, timed = shown(stream(470))
    _, numbered = shown(stream(470, times=False))
    labels = [text.get_text() for text in numbered.x_axis.labels if text.get_visible()]
    assert labels[:3] == ["0", "100", "200"]
    assert timed.x_axis.date.get_text() == "2014-May UTC"
    assert numbered.x_axis.date.get_text() == ""
    for text in timed.x_axis.labels:
        if text.get_visible():  # a round time stands at the point that has it
            index = text.get_position()[0]
            assert (1.4e9 + 1800 * index) % 43_200 == pytest.approx(0, abs=1e-3)


def test_a_wild_value_leaves_the_axis_as_it_is():
    rows = stream(2_000)
    rows["value"][600] = 5_000
    history, view = shown(rows[:590])
    calm = view.stream.axes.get_ylim()
    history.write(rows[590:700])
    view.refresh()
    assert view.stream.axes.get_ylim() == calm

from hypothesis import given
from hypothesis import strategies as st

from streamforest.figures.text_parts import Limits, counts, round_step
from streamforest.protocols import Status
from streamforest.verdicts.counts import RunCounts


def test_limits_are_round_numbers_that_stay_while_they_fit():
    limits = Limits()
    limits.follow(3.2, 48.7, 4)
    assert (limits.bottom, limits.top) == (0, 50)
    assert [limits.label(tick) for tick in limits.ticks()] == ["0", "20", "40"]
    limits.follow(10.0, 45.0, 4)
    assert (limits.bottom, limits.top) == (0, 50)
    limits.follow(10.0, 12.0, 4)
    assert (limits.bottom, limits.top) == (10, 12)
    limits.follow(float("nan"), 12.0, 4)
    assert (limits.bottom, limits.top) == (10, 12)


def test_a_constant_stream_stands_in_the_middle():
    limits = Limits()
    limits.follow(5.0, 5.0, 4)
    assert limits.bottom < 5 < limits.top
    limits.follow(0.0, 0.0, 4)
    assert limits.bottom < 0 < limits.top


@given(st.floats(-1e12, 1e12), st.floats(0, 1e12), st.integers(1, 8))
def test_limits_hold_what_they_follow_and_have_few_labels(low, height, ticks):
    limits = Limits()
    limits.follow(low, low + height, ticks)
    slack = 1e-9 * (height + abs(low)) + 1e-200
    assert limits.bottom <= low + slack
    assert limits.top >= low + height - slack
    assert len(limits.ticks()) <= 2 * ticks + 4
    assert all(map(limits.label, limits.ticks()))


@given(st.floats(1e-200, 1e200))
def test_a_round_step_is_no_less_than_asked_for_and_at_most_two_and_a_half_times_that(least):
    assert least * (1 - 1e-6) <= round_step(least) <= 2.6 * least


def test_no_alarm_so_far_is_no_rate_of_zero():
    run_counts = RunCounts(0.001)
    texts = dict(counts(run_counts.status("s", "d", ("d",), 1)))
    assert texts["alarm rate"] == "none yet, asked for 0.1 %"
    assert "episodes right" not in texts


def test_with_labels_it_is_said_what_is_counted():
    texts = counts(Status("s", "d", ("d",), 900, 0, 0, 9, 8, 10.0, 0.001, 0.004, 0.975, 0.9, 1.0))
    assert ("normal marked", "0.4 %, asked for 0.1 %") in texts
    assert texts[-2:] == [("episodes right", "97.5 %"), ("events found", "90 %")]

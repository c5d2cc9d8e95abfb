import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamforest.detectors.isolation_forest import StreamDetector
from streamforest.protocols import STREAM_VERDICT_DTYPE
from streamforest.simulation.streams import SimulatedStream, default_profile
from streamforest.verdicts.honesty import BY_BAND, STRIP, HonestyCounts, interval_of, left_of
from tests.kinds import SHIPPED
from tests.verdicts.test_life import verdicts_of

HOUR, DAY = 3600.0, 86_400.0


def verdicts(n, anomalies=(), step=60.0, start=0.0):
    """Verdicts of n points with p-values spread evenly, each of the anomalies an episode of its own by its score."""
    rows = verdicts_of(np.zeros(n))
    rows["time"] = start + step * np.arange(n)
    rows["p_value"], rows["threshold"] = (np.arange(n) + 0.5) / n, 0.5
    rows["is_anomaly"][list(anomalies)] = True
    rows["score"][list(anomalies)] = 0.9
    rows["episode"][list(anomalies)] = np.arange(1, len(anomalies) + 1)
    return rows


def test_rates_of_the_last_day_and_in_all_are_counted_by_the_times_of_the_points():
    counts = HonestyCounts(0.001)
    counts.write(verdicts(2 * 1440, [10, 20, 1500], start=0.0))
    day, total = counts.numbers().day, counts.numbers().total
    assert (total.scored, total.flagged, total.begun) == (2880, 3, 3)
    assert (day.scored, day.flagged, day.begun) == (1440, 1, 1)
    assert day.low < 1 / 1440 < day.high


def test_what_the_band_alone_marks_is_counted_beside_the_rate():
    rows = verdicts(1000, [10, 20])
    rows["threshold"][20] = BY_BAND * rows["score"][20]
    counts = HonestyCounts(0.001)
    counts.write(rows)
    total = counts.numbers().total
    assert (total.flagged, total.by_band, total.begun) == (1, 1, 2)


def test_points_that_are_labelled_as_anomalous_or_have_no_score_say_nothing_of_the_rate():
    rows = verdicts(1000, [10, 20])
    rows["label"][20] = 2
    rows["score"][:5] = rows["p_value"][:5] = np.nan
    counts = HonestyCounts(0.001)
    counts.write(rows)
    got = counts.numbers()
    assert (got.total.scored, got.total.flagged, sum(got.strip)) == (994, 1, 994)


def test_a_strip_of_evenly_spread_p_values_is_flat():
    counts = HonestyCounts(0.001)
    counts.write(verdicts(2000))
    assert counts.numbers().strip == (100,) * STRIP


def test_a_real_outlier_that_only_its_band_marks_is_told_apart_by_its_threshold():
    detector = StreamDetector.load(SHIPPED, 1e-4)
    values, labels = SimulatedStream(default_profile(), 1, 0.1).take(4000)
    rows = detector.update_many(values)
    counts = HonestyCounts(1e-4)
    counts.write(rows)
    total = counts.numbers().total
    assert total.flagged + total.by_band == rows["is_anomaly"].sum()
    assert total.by_band > 100 > total.flagged
    assert (labels > 0).sum() > total.by_band


@given(n=st.integers(1, 10**7), share=st.floats(0, 1), size=st.floats(1, 50))
def test_the_interval_holds_the_rate_and_grows_with_the_size_of_the_episodes(n, share, size):
    flagged = round(n * share)
    low, high = interval_of(flagged, n, flagged)
    assert 0.0 <= low <= flagged / n + 1e-12
    assert flagged / n - 1e-12 <= high <= 1.0
    wider = interval_of(flagged, n, size * flagged)
    assert wider[0] <= low + 1e-12
    assert wider[1] >= high - 1e-12


def test_the_interval_covers_the_true_rate_as_often_as_it_says():
    rng, covered = np.random.default_rng(5), 0
    for _ in range(400):
        episodes = rng.binomial(20_000, 0.001)
        sizes = rng.geometric(0.5, episodes)  # two points each, in the mean
        low, high = interval_of(int(sizes.sum()), 20_000, int((sizes**2).sum()))
        covered += low <= 0.002 <= high
    assert 0.9 < covered / 400 < 0.99


@pytest.mark.parametrize(
    ("asked", "begun", "since", "left"),
    [
        (3.0, 1, 10.0, 2),
        (3.0, 5, 10.0, 0),
        (2.5, 0, np.inf, 2),
        (0.5, 0, DAY, 0),
        (0.5, 0, 3 * DAY, 1),
        (1.0, 0, 9.0, 1),
    ],
)
def test_what_is_left_of_the_alarms_of_today(asked, begun, since, left):
    assert left_of(asked, begun, since) == left


def test_alarms_a_day_begin_anew_at_midnight():
    counts = HonestyCounts(0.001, 3.0)
    counts.write(verdicts(1440, [700, 1400]))
    assert (counts.numbers().today, counts.numbers().left) == (2, 1)
    rows = verdicts(100, [50], start=DAY)
    rows["episode"][50] = 3
    rows["index"] += 1440
    counts.write(rows)
    assert (counts.numbers().today, counts.numbers().left, counts.numbers().day.begun) == (1, 2, 3)


def test_points_without_a_time_are_of_the_hour_that_the_clock_says():
    now = [10 * DAY]
    counts = HonestyCounts(0.001, clock=lambda: now[0])
    rows = verdicts(300, [5])
    rows["time"] = np.nan
    counts.write(rows)
    counts.numbers()
    now[0] += 2 * DAY
    counts.write(rows)
    assert counts.numbers().day.scored == 300
    assert counts.numbers().total.scored == 600


def test_a_time_far_ahead_costs_an_hour_and_no_more():
    counts = HonestyCounts(0.001)
    rows = verdicts(1440)
    rows["time"][700] = 4e9
    counts.write(rows)
    assert counts.numbers().day.scored >= 1440 - 61


@given(cuts=st.lists(st.integers(1, 599), max_size=6), kept=st.integers(0, 6))
def test_the_numbers_are_the_same_however_the_stream_is_cut_and_resumed(cuts, kept):
    rows = np.zeros(600, STREAM_VERDICT_DTYPE)
    single = verdicts(600, range(50, 600, 37), step=900.0)
    for name in single.dtype.names:
        rows[name] = single[name]
    rows["stream"] = np.arange(600) % 3
    rows["index"] = np.arange(600) // 3
    whole = HonestyCounts(0.001, 2.0)
    whole.write(rows)
    parts = HonestyCounts(0.001, 2.0)
    for number, part in enumerate(np.split(rows, sorted(set(cuts)))):
        parts.write(part)
        if number == kept:
            state = parts.state()
            parts = HonestyCounts(0.001, 2.0)
            assert parts.restore(state, cut=True) == ""
    assert parts.numbers() == whole.numbers()


@pytest.mark.parametrize("name", ["hours", "total", "strip", "times", "newest"])
def test_a_state_that_is_none_is_refused(name):
    counts = HonestyCounts(0.001)
    counts.write(verdicts(300, [5]))
    state = counts.state()
    with pytest.raises(ValueError, match="saved state"):
        HonestyCounts(0.001).restore({key: array for key, array in state.items() if key != name}, cut=True)
    forged = counts.state()
    forged["total"]["squares"] = -1
    with pytest.raises(ValueError, match="squares"):
        HonestyCounts(0.001).restore(forged, cut=True)

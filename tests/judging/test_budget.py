import numpy as np
import pytest

from streamforest.judging.budget import new_pool, new_shares, spend
from streamforest.protocols import STREAM_VERDICT_DTYPE

STREAMS, PER_DAY, RATE, DAY = 200, 24, 0.01, 86_400.0


def verdicts_of(days, seed=1, timed=True):
    """Verdicts of normal streams side by side: a candidate for an alarm at RATE, farther ones ever rarer."""
    rng = np.random.default_rng(seed)
    n = days * PER_DAY * STREAMS
    rows = np.zeros(n, STREAM_VERDICT_DTYPE)
    rows["stream"], rows["index"] = np.tile(np.arange(STREAMS), n // STREAMS), np.arange(n) // STREAMS
    rows["time"] = 1.7e9 + rows["index"] * DAY / PER_DAY if timed else np.nan
    rows["lower"], rows["upper"], rows["score"] = -1.0, 1.0, 0.5
    p_value = rng.random(n)
    rows["p_value"], rows["is_anomaly"] = p_value, p_value < RATE
    # a tail that falls with the power 5
    rows["value"] = np.minimum((p_value / RATE) ** (-1 / 5), 1e6)
    for stream in range(STREAMS):
        own = rows["stream"] == stream
        rows["episode"][own] = np.cumsum(rows["is_anomaly"][own]) * rows["is_anomaly"][own]
    return rows


def spent(rows, asked=1.0, cuts=()):
    pool, shares, rows = new_pool(), new_shares(STREAMS), rows.copy()
    for part in np.split(rows, cuts):
        spend(pool, shares, asked, RATE, 0, part)
    return rows


@pytest.fixture(scope="module")
def normal():
    return verdicts_of(80)


@pytest.mark.parametrize("asked", [0.5, 2.0, 8.0])
def test_normal_streams_together_have_about_as_many_alarms_a_day_as_were_asked_for(normal, asked):
    alarms = spent(normal, asked)["is_anomaly"].sum() / 80
    assert 0.3 * asked <= alarms <= 2.0 * asked
    assert normal["is_anomaly"].sum() / 80 > 40


def test_what_is_plainly_no_chance_is_an_alarm_nearly_always(normal):
    rows = normal.copy()
    places = np.flatnonzero(rows["is_anomaly"] & (rows["index"] > 20 * PER_DAY))[::60]
    rows["value"][places], rows["p_value"][places] = 300.0, 1e-9
    found = spent(rows)
    assert found["is_anomaly"][places].mean() > 0.9
    others = np.setdiff1d(np.flatnonzero(found["is_anomaly"]), places)
    assert len(others) / 80 < 2.0


def test_episodes_are_numbered_by_the_alarms_of_their_stream_and_the_others_are_no_anomalies(normal):
    found = spent(normal, 8.0)
    for stream in range(STREAMS):
        own = found[found["stream"] == stream]
        numbers = own["episode"][own["is_anomaly"]]
        assert numbers.tolist() == list(range(1, len(numbers) + 1))
        assert not own["episode"][~own["is_anomaly"]].any()
    untouched = ["score", "threshold", "p_value", "value", "index", "time"]
    assert all(np.array_equal(found[name], normal[name]) for name in untouched)


def test_verdicts_are_the_same_however_they_are_cut(normal):
    rows = normal[: 20 * PER_DAY * STREAMS]
    cuts = np.sort(np.random.default_rng(2).integers(1, len(rows), 40))
    assert spent(rows, cuts=cuts).tobytes() == spent(rows).tobytes()


def test_a_stream_with_a_wrong_clock_moves_the_budget_by_no_more_than_its_part(normal):
    rows = normal.copy()
    own = rows["stream"] == 7
    rows["time"][own] += rows["index"][own] * 30 * DAY  # each of its readings a month after the one before
    assert spent(rows)["is_anomaly"].sum() < 4 * max(spent(normal)["is_anomaly"].sum(), 20)


def test_without_times_every_candidate_is_an_alarm():
    rows = verdicts_of(2, timed=False)
    found = spent(rows)
    assert np.array_equal(found["is_anomaly"], rows["is_anomaly"])


def test_an_alarm_of_a_stream_whose_number_was_anothers_is_its_first():
    pool, shares = new_pool(), new_shares(1)
    rows = verdicts_of(1)[:1]
    rows["is_anomaly"], rows["episode"], rows["time"] = True, 1, np.nan
    for _ in range(2):
        again = rows.copy()
        spend(pool, shares, 1.0, RATE, 0, again)
        assert again["episode"][0] == 1

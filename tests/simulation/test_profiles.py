import random
from datetime import UTC, datetime

import numpy as np
import pytest

from benchmarks.hostile_checkpoints import forged
from streamforest.protocols import LABELS, NORMAL
from streamforest.simulation.profiles import (
    DAY,
    HOUR,
    PROFILES,
    START,
    WEEK,
    PaymentStream,
    WebStream,
    decaying,
    week_of,
)
from streamforest.simulation.streams import BLOCK, FIRST_EVENT, OPENING_POINTS
from streamforest.storage.checkpoint import Saved
from streamforest.storage.resumption import FAULTS

every_profile = pytest.mark.parametrize("kind", PROFILES.values(), ids=PROFILES)


def taken(kind, seed, probability, sizes):
    """Times, values and labels, taken in portions."""
    stream = kind(seed, probability)
    parts = [(stream.take_times(n), *stream.take(n)) for n in sizes]
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


def by_hour(kind, points, days=range(5)):
    """The mean value at each hour of the day, on the days of the week that count from Monday."""
    times, values, _ = taken(kind, 3, 0.0, [points])
    since = times - START
    is_day = np.isin(since // DAY % 7, list(days))
    return np.array([values[is_day & (since % DAY // HOUR == hour)].mean() for hour in range(24)])


@every_profile
def test_the_same_seed_gives_the_same_points_however_they_are_taken(kind):
    whole = taken(kind, 3, 0.1, [4000])
    for column, other in zip(whole, taken(kind, 3, 0.1, [1, 999, 24, 1024, 1952]), strict=True):
        assert column.tobytes() == other.tobytes()
    assert whole[1].tobytes() != taken(kind, 4, 0.1, [4000])[1].tobytes()


@every_profile
def test_times_begin_on_a_monday_and_never_go_back(kind):
    times, _, _ = taken(kind, 1, 0.0, [20_000])
    first = datetime.fromtimestamp(times[0], UTC)
    assert (first.weekday(), first.date().isoformat()) == (0, "2024-01-01")
    assert (np.diff(times) >= 0).all()
    if kind.step:
        assert set(np.diff(times)) == {kind.step}


@every_profile
@pytest.mark.parametrize("probability", [0.02, 0.2])
def test_as_many_events_begin_as_asked_for_and_what_is_labelled_is_of_the_profiles_kinds(kind, probability):
    stream, events = kind(2, probability), []
    stream.on_event = events.append
    values, labels = stream.take(200 * BLOCK)
    assert len(events) / values.size == pytest.approx(probability, rel=0.05)
    assert {LABELS[label] for label in np.unique(labels)} == {"normal", *kind.kinds}
    assert (np.isnan(values) == (labels == LABELS.index("missing"))).all()


@every_profile
def test_the_first_minute_shows_four_kinds_and_the_first_twenty_seconds_one_behind_the_warm_up(kind):
    for seed in range(200):
        labels = kind(seed, 0.02).take(OPENING_POINTS)[1]
        assert len(set(labels[labels != NORMAL].tolist())) >= 4
        assert FIRST_EVENT <= np.flatnonzero(labels)[0] < 200


@pytest.mark.parametrize("name", ["sensor", "server", "payments", "energy"])  # counting draws on, in web traffic
def test_no_point_is_changed_without_a_label(name):
    values, labels = PROFILES[name](3, 0.2).take(100 * BLOCK)
    changed = values != PROFILES[name](3).take(100 * BLOCK)[0]
    assert not changed[labels == NORMAL].any()
    assert np.mean(changed[labels != NORMAL]) > 0.9, "a rounded or bounded value may stay what it was"


@every_profile
def test_a_calm_stream_has_no_label_and_stays_bounded(kind):
    _, values, labels = taken(kind, 5, 0.0, [200_000])
    assert not labels.any()
    low, high = {
        "sensor": (10, 32),
        "server": (0, 100),
        "payments": (0.01, 10_000),
        "energy": (25_000, 90_000),
        "web": (0, 5000),
    }[next(name for name, other in PROFILES.items() if other is kind)]
    assert low <= values.min()
    assert values.max() <= high


def test_the_kinds_have_their_anomalies_at_different_points():
    first = {int(np.argmax(taken(kind, 1, 0.02, [5000])[2] > 0)) for kind in PROFILES.values()}
    assert len(first) == len(PROFILES)


def test_an_unwanted_probability_is_named():
    with pytest.raises(ValueError, match=r"outlier_probability is 0.7, allowed is 0 to 0.5"):
        PROFILES["web"](1, 0.7)


def test_a_sensor_reads_in_tenths_of_a_degree_and_a_night_is_cooler_than_a_day():
    _, values, _ = taken(PROFILES["sensor"], 1, 0.1, [5000])
    there = values[~np.isnan(values)]
    assert np.array_equal(there, np.round(there, 1))
    hours = by_hour(PROFILES["sensor"], 6 * 2016)
    assert hours[14] - hours[4] > 3


def test_a_server_stays_between_0_and_100_whatever_is_injected_and_its_backup_runs_at_two():
    _, values, _ = taken(PROFILES["server"], 1, 0.5, [50_000])
    assert np.nanmin(values) > 0
    assert np.nanmax(values) == 100
    hours = by_hour(PROFILES["server"], 6 * 2016)
    assert hours[2] > hours[1] + 15
    assert hours[2] > hours[4] + 15


def test_payments_are_heavy_tailed_amounts_in_cents():
    _, amounts, _ = taken(PaymentStream, 1, 0.1, [50_000])
    assert np.array_equal(amounts, np.round(amounts, 2))
    assert amounts.min() >= 0.01
    _, calm, _ = taken(PaymentStream, 1, 0.0, [50_000])
    assert calm.mean() > 1.4 * np.median(calm)
    assert np.quantile(calm, 0.999) > 20 * np.median(calm)


def test_payments_come_in_business_hours_as_often_as_expected():
    times, _, _ = taken(PaymentStream, 1, 0.0, [60_000])
    weeks = (times[-1] - times[0]) / WEEK
    assert 60_000 / weeks == pytest.approx(PaymentStream.expected[-1], rel=0.02)
    hours = np.bincount(((times - START) % DAY // HOUR).astype(int), minlength=24)
    assert hours[10:19].sum() > 0.6 * hours.sum()
    assert hours[:6].sum() < 0.02 * hours.sum()


def test_energy_has_a_day_a_week_and_a_year():
    times, values, _ = taken(PROFILES["energy"], 1, 0.0, [35_040])
    days = (times - START) // DAY
    is_workday = days % 7 < 5
    hours = by_hour(PROFILES["energy"], 35_040)
    assert hours[11] > 1.3 * hours[2]
    assert values[is_workday].mean() > 1.1 * values[~is_workday].mean()
    assert values[days < 60].mean() > 1.1 * values[(days > 160) & (days < 220)].mean()


def test_web_traffic_is_counted_has_its_peak_in_the_evening_and_bursts():
    _, values, _ = taken(PROFILES["web"], 1, 0.1, [20_000])
    there = values[~np.isnan(values)]
    assert np.array_equal(there, np.floor(there))
    assert there.min() >= 0
    hours = by_hour(PROFILES["web"], 4 * 2016)
    assert hours.argmax() in (20, 21)
    assert hours[20] > 5 * hours[4]


def test_bursts_of_web_traffic_come_at_once_and_die_away():
    _, values, _ = taken(WebStream, 1, 0.0, [50_000])
    steps = np.diff(values) / np.sqrt(values[1:])
    assert np.mean((steps / steps.std()) ** 3) > 0.5
    stream = WebStream(1)
    usual = stream.take(1024)[0]
    stream = WebStream(1)
    stream._burst = 5.0
    burst = stream.take(1024)[0]
    assert burst[0] > 3 * usual[0]
    assert burst[30:] == pytest.approx(usual[30:], rel=0.5)
    assert stream._burst < 1


def test_what_is_left_of_a_burst_goes_on_in_the_next_block():
    sizes = np.random.default_rng(1).exponential(size=50)
    whole = decaying(sizes, 4.0, 0.3)
    first = decaying(sizes[:20], 4.0, 0.3)
    assert np.array_equal(whole, np.concatenate([first, decaying(sizes[20:], 4.0, first[-1])]))
    assert decaying(np.array([1.0, 0, 0, 0, 0]), 4.0, 0.0)[-1] == pytest.approx(np.exp(-1))


def test_a_weekly_cycle_follows_its_hours_and_has_mean_0():
    season = week_of(*[[10.0] * 12 + [20.0] * 12] * 7, step=900.0)
    assert season.period == WEEK / 900
    assert season.shape.mean() == pytest.approx(0)
    assert season.shape[6 * 4] == pytest.approx(-5, abs=0.2)
    assert season.shape[18 * 4] == pytest.approx(5, abs=0.2)
    assert abs(np.diff(np.append(season.shape, season.shape[0]))).max() < 2


@every_profile
@pytest.mark.parametrize("cut", [0, 1, 1024, 2500])
def test_a_stream_goes_on_from_a_state_with_the_same_bits(kind, cut):
    whole = taken(kind, 3, 0.1, [cut, 4000 - cut])
    first, second = kind(3, 0.1), kind(3, 0.1)
    first.take_times(cut)
    first.take(cut)
    second.restore(first.state())
    for column, expected in zip((second.take_times(4000 - cut), *second.take(4000 - cut)), whole, strict=True):
        assert column.tobytes() == expected[cut:].tobytes()


@every_profile
@pytest.mark.parametrize("seed", range(3))
def test_a_forged_state_is_refused_or_gives_points_all_the_same(kind, seed):
    stream = kind(seed, 0.1)
    stream.take(1500)
    saved, refused = Saved({}, stream.state()), 0
    for number in range(60):
        _, content = forged(saved, random.Random(f"{seed} {number}"))
        other = kind(seed, 0.1)
        try:
            other.restore(content.state)
        except FAULTS:
            refused += 1
            continue
        assert np.isin(other.take(2500)[1], np.arange(len(LABELS))).all()
        other.take_times(10)
    assert 0 < refused < 60

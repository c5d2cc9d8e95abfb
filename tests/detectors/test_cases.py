"""Faults that users of other detectors reported: found here, and nothing else told beside them."""

import csv
import gzip
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from streamforest.detectors.isolation_forest import StreamDetector
from streamforest.models.model_file import load_model
from streamforest.protocols import REASONS
from tests import kinds

RATE = 0.001
SEEDS = range(10)
POINT_REASONS = [REASONS.index("spike"), REASONS.index("dip")]


@pytest.fixture(scope="module")
def model():
    return load_model(kinds.SHIPPED)


@pytest.fixture(scope="module")
def judged(model):
    """Makes a kind's case of a seed, and its verdicts."""

    @cache
    def judge(make, seed, **options):
        case = make(kinds.rng_of(make, seed), **options)
        return case, StreamDetector(model, RATE).update_many(case.values, case.times)

    return judge


def of_kinds(*rows):
    """Parametrize by kind, the seeds in the id; a row is a kind, or a kind and its bound."""
    names = ("make", "bound")[: len(rows[0])]
    ids = [f"{make.__name__}-seeds 0 to {SEEDS[-1]}" for make, *_ in rows]
    return pytest.mark.parametrize(names, [pytest.param(*row, id=name) for row, name in zip(rows, ids, strict=True)])


def share_found(judged, make, **options):
    """Share of all faults of a kind that have an alarm."""
    cases = [judged(make, seed, **options) for seed in SEEDS]
    return np.mean([hit for case, verdicts in cases for hit in case.found(verdicts["is_anomaly"])])


# A wild reading


@of_kinds(
    (kinds.burst_echo, 0.95),
    (kinds.outlier_then_spikes, 0.95),
    (kinds.freezer_glitch, 0.9),
    (kinds.power_on_value, 0.9),
    (kinds.error_code, 0.95),
)
def test_a_wild_reading_is_found_and_hides_no_later_fault(make, bound, judged):
    assert share_found(judged, make) >= bound


@of_kinds((kinds.burst_echo,), (kinds.freezer_glitch,))
def test_the_hour_of_a_wild_reading_does_not_alarm_on_later_days(make, judged):
    echoes = [case.echoing(verdicts["is_anomaly"]) for case, verdicts in (judged(make, seed) for seed in SEEDS)]
    assert np.mean(echoes) <= 0.3  # by chance


def test_after_a_burst_there_are_two_other_alarms_at_most(judged):
    cases = [judged(kinds.burst_echo, seed) for seed in SEEDS]
    others = [kinds.events(case.false_alarms(verdicts["is_anomaly"])) for case, verdicts in cases]
    assert np.mean(others) <= 2.0


# The right value at the wrong time, or for too long


@of_kinds(
    (kinds.stuck_on, 0.9),
    (kinds.stuck_off, 0.9),
    (kinds.meter_goes_down, 0.9),
    (kinds.day_without_sun, 0.9),
)
def test_the_right_value_at_the_wrong_time_or_for_too_long_is_found(make, bound, judged):
    assert share_found(judged, make) >= bound


def test_a_missed_job_is_found_without_times_too(judged):
    assert share_found(judged, kinds.hourly_job, timed=False) >= 0.9


# A season of two coincidences


@of_kinds((kinds.uptime_probe, 1.0), (kinds.two_blips, 0.95))
def test_outages_of_a_constant_line_are_found(make, bound, judged):
    assert share_found(judged, make) >= bound


# What comes again


@of_kinds((kinds.level_shifts, 0.95), (kinds.frequent_spikes, 0.9), (kinds.error_code, 0.95))
def test_what_comes_again_is_found_again(make, bound, judged):
    assert share_found(judged, make) >= bound


# What is told


@pytest.mark.parametrize("seed", SEEDS)
def test_a_price_never_spikes_inside_its_band(seed, judged):
    verdicts = judged(kinds.price_walk, seed)[1]
    points = verdicts[np.isin(verdicts["reason"], POINT_REASONS) & verdicts["is_anomaly"]]
    assert not ((points["lower"] <= points["value"]) & (points["value"] <= points["upper"])).any()


ALL_KINDS = (
    kinds.outlier_then_spikes,
    kinds.freezer_glitch,
    kinds.power_on_value,
    kinds.stuck_on,
    kinds.stuck_off,
    kinds.meter_goes_down,
    kinds.day_without_sun,
    kinds.half_power,
    kinds.daily_job,
    kinds.weekly_cycle,
    kinds.price_walk,
    kinds.single_spike,
    kinds.level_shifts,
    kinds.frequent_spikes,
    kinds.error_code,
)


@of_kinds(*((make,) for make in ALL_KINDS))
def test_beside_its_faults_a_stream_alarms_at_most_twice_as_often_as_asked(make, judged):
    cases = [judged(make, seed) for seed in SEEDS]
    alarms = sum(kinds.events(case.false_alarms(verdicts["is_anomaly"])) for case, verdicts in cases)
    points = sum(case.values.size - case.calm_from for case, _ in cases)
    assert alarms <= 2.0 * max(RATE * points, len(SEEDS))  # two a stream where it is short


# The reported files themselves, where the folder is there

SHARED = Path(__file__).resolve().parents[3] / "shared" / "cases"
needs_files = pytest.mark.skipif(not SHARED.is_dir(), reason="there is no folder shared/cases beside the checkout")


def judged_file(model, name, timed=True):
    """Verdicts of a file of the folder, and its labels."""
    path = SHARED / name
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        rows = list(csv.reader(file))
    header = rows.pop(0) if any(cell.isalpha() for cell in rows[0]) else ["value"]
    columns = dict(zip(header, np.array(rows, dtype=float).T, strict=True))
    times, labels = columns.pop("time", None), columns.pop("label", None)
    (values,) = columns.values()
    return StreamDetector(model, RATE).update_many(values, times if timed else None), labels


def only_the_burst(verdicts, _):
    episodes = np.unique(verdicts["episode"][verdicts["is_anomaly"]])
    return verdicts["is_anomaly"][1540] and episodes.size <= 3


def while_it_stands_open(verdicts, _):
    return verdicts["is_anomaly"][6060:6229].any()


def at_1884(verdicts, _):
    return verdicts["is_anomaly"][1884]


def at_3430(verdicts, _):
    return verdicts["is_anomaly"][3430]


def the_seven_outages_alone(verdicts, _):
    is_down = verdicts["value"] != 1.0
    outages = np.cumsum(np.diff(is_down, prepend=False) & is_down)
    found = {outages[i] for i in np.flatnonzero(verdicts["is_anomaly"] & is_down)}
    episodes = {number for number in verdicts["episode"].tolist() if number}
    right = set(verdicts["episode"][is_down & verdicts["is_anomaly"]].tolist())
    return len(found) == 7 and episodes == right


def no_spike_or_dip_inside_its_band(verdicts, _):
    inside = (verdicts["lower"] <= verdicts["value"]) & (verdicts["value"] <= verdicts["upper"])
    return not (verdicts["is_anomaly"] & inside & np.isin(verdicts["reason"], POINT_REASONS)).any()


def half_of_the_spikes(verdicts, labels):
    return verdicts["is_anomaly"][labels == 1.0].mean() > 0.5


@needs_files
@pytest.mark.parametrize(
    ("name", "timed", "is_right"),
    [
        ("burst_echo.csv.gz", True, only_the_burst),
        ("fridge_door_open.csv", True, while_it_stands_open),
        ("hourly_job_missed.csv", False, at_1884),
        ("meter_goes_down.csv.gz", True, at_3430),
        ("uptime_probe.csv.gz", True, the_seven_outages_alone),
        ("price_walk.csv", True, no_spike_or_dip_inside_its_band),
        ("spikes_2_percent.csv", True, half_of_the_spikes),
    ],
)
def test_the_verdicts_on_a_reported_file_are_right(name, timed, is_right, model):
    assert is_right(*judged_file(model, name, timed))

"""A mark and the band that is drawn say the same."""

from functools import cache

import numpy as np
import pytest

from streamforest.detectors.isolation_forest import StreamDetector
from streamforest.models.model_file import load_model
from streamforest.protocols import REASONS
from streamforest.simulation.profiles import PROFILES
from streamforest.simulation.streams import SimulatedStream, default_profile, random_profile
from tests import kinds

SPIKE, DIP = REASONS.index("spike"), REASONS.index("dip")
#: Points at the beginning of a stream whose band is still being learned.
BEGINNING = 300


def default_stream(seed):
    """The stream of ``python main.py``, with anomalies of all kinds."""
    return SimulatedStream(default_profile(), seed, 0.02).take(10_000)[0], None


def random_stream(seed):
    profile = random_profile(np.random.default_rng([seed, 3]))
    return SimulatedStream(profile, seed, 0.02).take(5000)[0], None


def named_stream(seed):
    stream = list(PROFILES.values())[seed](seed, 0.02)
    return stream.take(10_000)[0], stream.take_times(10_000)


def walking_price(seed):
    case = kinds.price_walk(kinds.rng_of(kinds.price_walk, seed))
    return case.values, None


STREAMS = (default_stream, random_stream, named_stream, walking_price)
every_stream = pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.__name__)
every_seed = pytest.mark.parametrize("seed", range(5))
every_rate = pytest.mark.parametrize("rate", [0.001, 0.01])


@pytest.fixture(scope="module")
def model():
    return load_model(kinds.SHIPPED)


@pytest.fixture(scope="module")
def judged(model):
    """Verdicts on a stream."""

    @cache
    def judge(stream, seed, rate):
        return StreamDetector(model, rate).update_many(*stream(seed))

    return judge


@every_rate
@every_seed
@every_stream
def test_a_spike_lies_above_the_band_and_a_dip_below_it(stream, seed, rate, judged):
    marked = judged(stream, seed, rate)
    marked = marked[marked["is_anomaly"]]
    spikes, dips = marked[marked["reason"] == SPIKE], marked[marked["reason"] == DIP]
    assert (spikes["value"] > spikes["upper"]).all()
    assert (dips["value"] < dips["lower"]).all()


def test_the_normal_readings_behind_a_spike_are_not_marked(model):
    """Of the 60 behind each of 30 spikes, seeds 0 to 29, no more are than twice the rate."""
    behind, hits = [], []
    for seed in range(30):
        case = kinds.single_spike(kinds.rng_of(kinds.single_spike, seed))
        marks = StreamDetector(model, 0.001).update_many(case.values)["is_anomaly"]
        ((at, _),) = case.faults
        hits.append(marks[at])
        behind.append(np.count_nonzero(marks[at + 1 : at + 61]))
    assert np.mean(hits) >= 0.95
    assert np.mean(behind) <= 2.0 * 0.001 * 60


@pytest.mark.parametrize("seed", range(5))
def test_a_second_reading_that_is_back_in_its_band_is_no_part_of_the_spike(seed, model):
    values = SimulatedStream(default_profile(), seed).take(3000)[0]
    values[2000] += 20.0
    verdicts = StreamDetector(model, 0.001).update_many(values)
    assert verdicts["is_anomaly"][2000]
    assert verdicts["reason"][2000] == SPIKE
    assert not verdicts["is_anomaly"][2001:2011].any()


@every_seed
def test_most_marks_on_single_outliers_lie_outside_the_band(seed, model):
    """Spikes and dips of 6 to 40 deviations at 2 in 100 points of the default stream."""
    rng = np.random.default_rng([seed, 6])
    values = SimulatedStream(default_profile(), seed).take(8000)[0]
    where = np.flatnonzero(rng.random(8000) < 0.02)
    values[where] += np.exp(rng.uniform(np.log(6), np.log(40), where.size)) * rng.choice([-1.0, 1.0], where.size)
    verdicts = StreamDetector(model, 0.001).update_many(values)[BEGINNING:]
    marked = verdicts[verdicts["is_anomaly"]]
    is_outside = (marked["value"] > marked["upper"]) | (marked["value"] < marked["lower"])
    assert np.isin(where[where >= BEGINNING], marked["index"]).mean() >= 0.9
    assert is_outside.mean() >= 0.95


@pytest.mark.parametrize("seed", range(5), ids="seed {}".format)
def test_what_lies_far_beyond_all_states_of_a_device_is_marked_however_far_they_are_from_each_other(model, seed):
    """The jump from 90 to 160 is smaller than that from 10 to 90, which is usual."""
    rng = np.random.default_rng([seed, 160])
    values = np.repeat(rng.choice([10.0, 45.0, 90.0], 200), rng.integers(15, 80, 200))
    values += 0.8 * rng.normal(size=values.size)
    at = rng.choice(np.arange(2000, values.size - 10), 4, replace=False)
    values[at] = 160.0
    verdicts = StreamDetector(model, 0.001).update_many(values)
    assert verdicts["is_anomaly"][at].all()
    assert (verdicts["upper"][at] < 160.0).all()


@pytest.mark.parametrize("seed", range(4), ids="seed {}".format)
@pytest.mark.parametrize("points", [2, 5, 6])
def test_two_outages_make_no_season(model, points, seed):
    rng = np.random.default_rng([seed, points])
    values, first, apart = np.ones(6000), int(rng.integers(1000, 2000)), int(rng.integers(300, 512))
    for at in (first, first + apart):
        values[at : at + points] = 0.0
    verdicts = StreamDetector(model, 0.001).update_many(values)
    marked = np.flatnonzero(verdicts["is_anomaly"])
    assert {first, first + apart} <= set(marked.tolist())
    assert marked.max() <= first + apart + points
    assert (verdicts["expected"][first + apart + 100 :] == 1.0).all()


@pytest.mark.parametrize("off", [20.0, 1e3, 1e6])
def test_a_level_is_new_after_five_points_however_far_off(model, off):
    values = 50.0 + np.random.default_rng(int(off)).normal(size=3000)
    values[2000:] += off
    verdicts = StreamDetector(model, 0.001).update_many(values)
    behind = slice(2006, 2200)
    assert verdicts["is_anomaly"][2000]
    assert np.max(abs(verdicts["expected"] - values)[behind]) < 8.0
    assert verdicts["is_anomaly"][behind].sum() <= 2


def test_where_most_readings_are_missing_the_band_is_as_wide_as_where_none_is(model):
    """The values that it ends behind are those of readings, few or many in a block of time."""
    values = 50.0 + np.random.default_rng(1).normal(size=200_000)
    sparse = np.where(np.random.default_rng(2).random(values.size) < 0.002, values, np.nan)
    sparse[:40] = values[:40]
    whole, few = (StreamDetector(model, 0.001).update_many(given) for given in (values[:2000], sparse))
    width = [np.median((rows["upper"] - rows["lower"])[rows["index"] > 1000]) for rows in (whole, few)]
    assert width[1] > 0.9 * width[0]

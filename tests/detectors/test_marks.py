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

"""What every detector promises, whichever it is: each of the table crossed with each check."""

import gc
import sys
import tracemalloc
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamforest.detectors import DETECTORS, DetectorOptions, make_detector
from streamforest.judging.harness import HarnessedDetector
from streamforest.judging.switch import DetectorSwitch
from streamforest.models.lstm import save_lstm
from streamforest.models.model_file import save_model
from streamforest.protocols import VERDICT_DTYPE
from streamforest.verdicts.history import History
from tests.networks import random_model

RATE = 0.01
#: Longer than every warm-up.
POINTS = 900
#: Numbers of a verdict that are unknown in the warm-up.
JUDGED = ("score", "threshold", "p_value")


@pytest.fixture(scope="session")
def options(model, tmp_path_factory):
    """What all detectors of the table are made with; whoever needs a file more than the model makes it here."""
    path = tmp_path_factory.mktemp("models") / "forest.joblib"
    save_model(model, path)
    save_lstm(random_model(), path.with_name("lstm.npz"))
    # forests are fitted within the short streams here
    return DetectorOptions(path, RATE, seed=3, window=150, refit_every=250, lstm_model=path.with_name("lstm.npz"))


def unless_installed(entry):
    lacking = ", ".join(package for package in entry.packages if find_spec(package) is None)
    return [pytest.mark.skipif(lacking != "", reason=f"optional packages that are not installed: {lacking}")]


every_detector = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=unless_installed(entry), id=name) for name, entry in DETECTORS.items()]
)


@pytest.fixture
def make(name, options):
    """Makes a fresh detector of the one that is checked."""
    return lambda **changed: make_detector(name, options._replace(**changed))


@pytest.fixture(scope="session")
def kept():
    """What ``whole`` has found, by detector and stream."""
    return {}


@pytest.fixture
def whole(name, make, kept):
    """Gives what a fresh detector says of a stream that comes at once: computed once, held against by many checks."""

    def whole(points=POINTS, holes=False):
        if (name, points, holes) not in kept:
            values, times = stream(points)
            kept[name, points, holes] = make().update_many(holed(values) if holes else values, times)
        return kept[name, points, holes]

    return whole


def warm_up_of(detector):
    return int(detector.warm_up_points)


@cache
def stream(points=POINTS, seed=1):
    """Noise with a season, some far values and times."""
    rng = np.random.default_rng(seed)
    values = 20.0 + 3.0 * np.sin(2 * np.pi * np.arange(points) / 24) + rng.normal(size=points)
    values[rng.random(points) < 0.02] += 15.0
    return values, 1.7e9 + 60.0 * np.arange(points)


def holed(values):
    """The same with missing readings, alone and in a row."""
    values = values.copy()
    values[::37] = np.nan
    values[600:620] = np.nan
    return values


def check_sound(verdicts, values):
    """What holds for the verdicts of any stream."""
    assert verdicts.dtype == VERDICT_DTYPE
    assert verdicts["index"].tolist() == list(range(len(values)))
    np.testing.assert_array_equal(verdicts["value"], values)
    assert (verdicts["label"] == -1).all()
    known = ~np.isnan(verdicts["score"])
    for field in JUDGED:
        np.testing.assert_array_equal(~np.isnan(verdicts[field]), known)
        assert ((verdicts[field][known] >= 0.0) & (verdicts[field][known] <= 1.0)).all()
    for field in ("expected", "lower", "upper"):
        assert not np.isinf(verdicts[field]).any()
    flagged = verdicts["is_anomaly"]
    np.testing.assert_array_equal(flagged[known], (verdicts["score"] > verdicts["threshold"])[known])
    np.testing.assert_array_equal(flagged[known], (verdicts["p_value"] < RATE)[known])
    assert not flagged[~known].any()
    np.testing.assert_array_equal(verdicts["episode"] > 0, flagged)
    assert not verdicts["reason"][~flagged].any()
    return known


@every_detector
def test_nothing_is_known_in_the_warm_up_and_all_readings_are_judged_after_it(make, whole):
    warm_up = warm_up_of(make())
    assert 0 < warm_up < POINTS / 2
    known = check_sound(whole(), stream()[0])
    assert not known[:warm_up].any()
    assert known[warm_up:].all()


@every_detector
def test_a_missing_reading_ends_nothing(make, whole):
    values = holed(stream()[0])
    known = check_sound(whole(holes=True), values)
    assert not known[: warm_up_of(make())].any()
    there = ~np.isnan(values)
    assert known[there][-100:].any()
    # and nothing but missing readings does neither
    check_sound(make().update_many(np.full(200, np.nan)), np.full(200, np.nan))


def alternating(low, high):
    return np.where(np.arange(POINTS) % 2 == 0, low, high).astype(float)


STREAMS = {
    "constant": np.full(POINTS, 5.0),
    "zero": np.zeros(POINTS),
    "huge constant": np.full(POINTS, sys.float_info.max),
    "huge": 1e300 * np.random.default_rng(1).normal(size=POINTS),
    "largest, both ways": alternating(sys.float_info.max, -sys.float_info.max),
    "tiny": 1e-300 * np.random.default_rng(1).normal(size=POINTS),
    "smallest, both ways": alternating(5e-324, -5e-324),
    "alternating": alternating(0.0, 1.0),
    "constant, then huge": np.where(np.arange(POINTS) < 500, 5.0, 1e308),
    "noise, one huge": np.where(np.arange(POINTS) == 500, 1e308, np.random.default_rng(2).normal(size=POINTS)),
    "flat, noise, flat": np.where(
        np.abs(np.arange(POINTS) - 500) < 100, np.random.default_rng(3).normal(size=POINTS), 0.0
    ),
    "growing": 1.5 ** np.arange(POINTS),
}


@every_detector
@pytest.mark.parametrize("kind", STREAMS)
def test_every_stream_gets_finite_numbers_between_0_and_1(make, kind):
    values = STREAMS[kind]
    detector = make()
    known = check_sound(detector.update_many(values), values)
    assert known[warm_up_of(detector) :].all()


@every_detector
def test_an_infinite_value_is_refused_and_changes_nothing(make, whole):
    values, times = stream()
    detector = make()
    begun = detector.update_many(values[:500], times[:500])
    for bad in (np.inf, -np.inf):
        with pytest.raises(ValueError, match="infinite"):
            detector.update_many(np.array([1.0, bad]))
    assert np.concatenate((begun, detector.update_many(values[500:], times[500:]))).tobytes() == whole().tobytes()


@every_detector
def test_a_point_is_judged_by_what_came_before_it_and_not_by_what_comes_after(make, whole):
    values, times = stream()
    changed = values.copy()
    changed[700:] = 1e6
    one, other = whole(), make().update_many(changed, times)
    assert one[:700].tobytes() == other[:700].tobytes()
    assert one[700:].tobytes() != other[700:].tobytes()


@every_detector
def test_a_point_is_scored_before_it_is_learned(make):
    """What was never there is found the first time, and is the less surprising the more often it comes."""
    values = np.random.default_rng(4).normal(size=POINTS)
    values[600:] += 60.0
    verdicts = make().update_many(values)
    first, last = verdicts[600], verdicts[-50:]
    assert first["is_anomaly"]
    assert first["score"] > verdicts["score"][400:600].max()
    assert first["score"] > np.median(last["score"])
    assert not last["is_anomaly"].all()


@every_detector
def test_scoring_changes_nothing(make, whole):
    """A score that is asked for twice is the same, and later ones too."""
    values, times = stream()
    detector = make()
    if not isinstance(detector, HarnessedDetector):
        pytest.skip("has no step that scores and does not learn")
    scorer, asked = detector._scorer, []
    once = scorer.score

    def twice(vector):
        before = vector.tobytes()
        first, second = once(vector), once(vector)
        assert vector.tobytes() == before
        asked.append(np.float64(first).tobytes() == np.float64(second).tobytes())
        return second

    scorer.score = twice
    assert detector.update_many(values, times).tobytes() == whole().tobytes()
    assert len(asked) > POINTS / 2
    assert all(asked)


@every_detector
def test_the_values_that_are_given_are_not_changed(make):
    values, times = stream()
    kept = values.copy(), times.copy()
    make().update_many(values, times)
    assert (values.tobytes(), times.tobytes()) == tuple(array.tobytes() for array in kept)


@every_detector
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, POINTS), max_size=8))
def test_any_split_gives_the_same_bits(make, whole, cuts):
    values, times = stream()
    values = holed(values)
    detector, bounds = make(), [0, *sorted(cuts), POINTS]
    parts = [detector.update_many(values[a:b], times[a:b]) for a, b in pairwise(bounds)]
    assert np.concatenate(parts).tobytes() == whole(holes=True).tobytes()


@every_detector
def test_one_by_one_gives_the_same_bits(make, whole):
    values, times = stream()
    values = holed(values)
    detector = make()
    rows = [detector.update_many(values[i : i + 1], times[i : i + 1]) for i in range(POINTS)]
    assert np.concatenate(rows).tobytes() == whole(holes=True).tobytes()


@every_detector
def test_the_same_seed_gives_the_same_bits(make):
    values, times = stream()
    one, other = (make(seed=11).update_many(values, times) for _ in range(2))
    assert one.tobytes() == other.tobytes()


@every_detector
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, POINTS))
def test_a_state_restored_goes_on_with_the_same_bits(make, cut):
    values, times = stream()
    values = holed(values)
    whole, resumed = make(), make()
    whole.update_many(values[:cut], times[:cut])
    state = whole.state()
    kept = {name: array.copy() for name, array in state.items()}
    resumed.update_many(values[:50])  # what it knew before is forgotten
    resumed.restore(state)
    expected = whole.update_many(values[cut:], times[cut:])
    assert {name: array.tobytes() for name, array in state.items()} == {n: a.tobytes() for n, a in kept.items()}
    assert resumed.update_many(values[cut:], times[cut:]).tobytes() == expected.tobytes()
    assert {n: a.tobytes() for n, a in resumed.state().items()} == {n: a.tobytes() for n, a in whole.state().items()}


@every_detector
def test_a_state_is_of_plain_arrays_that_a_file_holds_without_code_in_it(make, whole, tmp_path):
    values, times = stream()
    saved, resumed = make(), make()
    saved.update_many(values[:700], times[:700])
    np.savez(tmp_path / "state.npz", **saved.state())
    with np.load(tmp_path / "state.npz", allow_pickle=False) as kept:
        resumed.restore(dict(kept))
    assert resumed.update_many(values[700:], times[700:]).tobytes() == whole()[700:].tobytes()


@every_detector
def test_what_is_no_state_of_it_is_refused(make):
    values, times = stream()
    detector = make()
    detector.update_many(values, times)
    state = detector.state()
    other = make()
    for name, array in state.items():
        lacking = {key: kept for key, kept in state.items() if key != name}
        for wrong in (lacking, state | {name: array[:0]}, state | {name: np.zeros(3, "c16")}):
            with pytest.raises(ValueError, match=r"\w"):
                other.restore(wrong)


@every_detector
def test_memory_does_not_grow_with_the_stream(name, make):
    detector = make(refit_every=1000)  # to fit a forest takes ten times as long where memory is traced
    block = np.random.default_rng(5).normal(size=500)

    def learn(points):
        for _ in range(points // len(block)):
            detector.update_many(block)
        size = sum(array.nbytes for array in detector.state().values())
        gc.collect()
        return tracemalloc.get_traced_memory()[0], size

    tracemalloc.start()
    try:
        learn(1000)
        begun, first_size = learn(1000)
        then, last_size = learn(3000)
    finally:
        tracemalloc.stop()
    assert then - begun < (60_000 if name == "sliding-forest" else 20_000), "one forest has more nodes than another"
    assert last_size < 1.1 * first_size


def at_once(work):
    work()


@every_detector
@pytest.mark.parametrize("before", ["z-score", "isolation-forest"])
def test_switched_to_it_judges_at_once_on_the_recent_points(whole, name, before, options):
    values, times = stream(2000)
    history, said = History(5000), []

    def made(wanted):
        return make_detector(wanted, options)

    switch = DetectorSwitch(made(before), tuple(DETECTORS), made, history.newest, said.append, start=at_once)
    for part in (slice(0, 800), slice(800, 1500)):
        history.write(switch.update_many(values[part], times[part]))
    switch.switch(name)
    found = switch.update_many(values[1500:], times[1500:])
    assert switch.name == name
    assert not np.isnan(found["score"]).any()
    assert found["index"].tolist() == list(range(1500, 2000))
    expected = whole(2000)[1500:]
    for field in (*JUDGED, "expected", "is_anomaly"):
        np.testing.assert_array_equal(found[field], expected[field])


def test_the_fixture_makes_what_the_table_has(options):
    assert Path(options.model).is_file()
    assert set(DETECTORS) >= {"isolation-forest", "z-score"}

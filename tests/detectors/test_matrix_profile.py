import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamforest.detectors import matrix_profile
from streamforest.detectors.matrix_profile import (
    HISTORY,
    N_WINDOWS,
    RECORD_DTYPE,
    WINDOWS,
    MatrixProfileDetector,
    left_distances,
    strangeness,
)
from streamforest.features.observe import WARM_UP
from tests import naive


def fast(points):
    distances = np.empty(N_WINDOWS)
    left_distances(np.asarray(points, float), np.empty(max(len(points), 1)), distances)
    return distances


STREAMS = {
    "noise": np.random.default_rng(1).normal(size=300),
    "walk": np.random.default_rng(2).normal(size=300).cumsum(),
    "constant": np.full(300, 7.0),
    "huge": 1e150 * np.random.default_rng(3).normal(size=300),
    "tiny": 1e-150 * np.random.default_rng(3).normal(size=300),
    "one huge": np.where(np.arange(300) == 200, 1e15, np.random.default_rng(4).normal(size=300)),
    "flat stretches": np.repeat(np.random.default_rng(5).integers(0, 3, 30), 10).astype(float),
    "missing": np.where(np.arange(300) % 90 == 60, np.nan, np.random.default_rng(6).normal(size=300)),
}


@pytest.mark.parametrize("name", STREAMS)
def test_every_distance_is_that_of_the_slow_twin(name):
    for n in (1, 10, 11, 12, 60, 61, 62, 100, 151, 259, 260, 300):
        points = STREAMS[name][:n]
        np.testing.assert_allclose(fast(points), naive.left_distances(points.tolist(), WINDOWS), rtol=1e-12)


@pytest.mark.parametrize("name", ["noise", "walk", "huge", "flat stretches", "missing"])
@pytest.mark.parametrize("window", range(N_WINDOWS))
def test_every_distance_is_stumpys(name, window):
    """But for streams on which stumpy loses its digits (its sums are carried on, ours are not), or warns."""
    stumpy = pytest.importorskip("stumpy")
    points = STREAMS[name].copy()
    profile = stumpy.aamp(points, WINDOWS[window])
    left = profile[:, 2].astype(int)
    for n in range(150, 300, 7):
        newest, nearest = n - WINDOWS[window], left[n - WINDOWS[window]]
        there = points[nearest : nearest + WINDOWS[window]]
        expected = np.linalg.norm(points[newest:n] - there) if nearest >= 0 else np.nan
        np.testing.assert_allclose(fast(points[:n])[window], expected, rtol=1e-8)


@pytest.mark.parametrize("window", range(N_WINDOWS))
def test_a_bounded_history_is_stumpys_incremental_one(window):
    stumpy = pytest.importorskip("stumpy")
    kept = 200
    points = np.random.default_rng(7).normal(size=600).cumsum()
    points[330] = np.nan
    stream = stumpy.aampi(points[:kept], WINDOWS[window], egress=True)
    for n in range(kept, 600):
        stream.update(points[n])
        expected = stream.left_P_[-1]
        found = fast(points[n + 1 - kept : n + 1])[window]
        np.testing.assert_allclose(found, expected if np.isfinite(expected) else np.nan, rtol=1e-8)


def test_the_detector_keeps_the_newest_points_in_the_streams_unit_and_no_more():
    values = np.random.default_rng(8).normal(50.0, 4.0, WARM_UP + HISTORY + 700)
    detector = MatrixProfileDetector()
    detector.update_many(values)
    record = detector.state()["records"][0]
    newest = (record["kept"] - 1) % HISTORY + HISTORY
    zero, unit = record["harness"]["features"]["zero"], record["harness"]["features"]["unit"]
    np.testing.assert_array_equal(record["ring"][newest - HISTORY + 1 : newest + 1], (values[-HISTORY:] - zero) / unit)
    assert detector.state()["records"].nbytes == RECORD_DTYPE.itemsize


def test_what_is_known_of_the_windows_is_averaged_a_point():
    root = np.sqrt(WINDOWS)
    assert strangeness(np.array([3.0, 5.0]) * root) == pytest.approx(4.0)
    assert strangeness(np.array([3.0 * root[0], np.nan])) == pytest.approx(3.0)
    assert np.isnan(strangeness(np.full(2, np.nan)))


def test_a_shape_that_was_never_there_is_found_though_its_values_were():
    pattern = np.sin(2 * np.pi * np.arange(2500) / 40)
    values = pattern + 0.1 * np.random.default_rng(9).normal(size=pattern.size)
    values[2000:2040] = values[2000:2040][::-1]  # half a season too early
    found = np.flatnonzero(MatrixProfileDetector().update_many(values)["is_anomaly"])
    assert (found[found > 500] >= 2000).all()
    assert found[found > 500][0] < 2020
    assert found[-1] < 2040 + WINDOWS[-1]


def test_a_window_with_a_missing_reading_has_no_distance():
    values = np.random.default_rng(10).normal(size=600)
    values[400] = np.nan
    verdicts = MatrixProfileDetector().update_many(values)
    unknown = np.flatnonzero(np.isnan(verdicts["score"][200:])) + 200
    assert unknown.tolist() == list(range(400, 400 + WINDOWS[0]))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6) | st.just(0.0) | st.just(np.nan), min_size=1, max_size=120))
def test_any_points_give_the_slow_twins_distances(points):
    np.testing.assert_allclose(fast(points), naive.left_distances(points, WINDOWS), rtol=1e-9)


def test_windows_are_what_the_sums_by_four_need():
    assert list(WINDOWS) == sorted(WINDOWS)
    assert not any(window % 4 for window in WINDOWS)
    assert MatrixProfileDetector.warm_up_points == WARM_UP + 10 + matrix_profile.LEAST_SCORES

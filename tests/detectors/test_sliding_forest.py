import json
import time
from contextlib import contextmanager
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import IsolationForest

from streamforest.detectors import sliding_forest
from streamforest.detectors.sliding_forest import TREES, SlidingForestDetector, fit_forest
from streamforest.features.observe import WARM_UP, new_state
from streamforest.features.vector import HIGHEST, N_VECTOR, describe_stream, new_buffers
from streamforest.judging.harness import LEAST_SCORES, calibration, conclude, new_harness
from streamforest.judging.rules import NO_RULES
from streamforest.protocols import VERDICT_DTYPE, DetectorError


def stream(n, seed=1):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=n)
    values[rng.random(n) < 0.01] += 20.0
    return values


def vectors_of(values):
    vectors = np.empty((values.size, N_VECTOR), np.float32)
    describe_stream(new_state(), values, np.full(values.size, np.nan), vectors)
    return vectors


def small(**options):
    return SlidingForestDetector(0.01, window=40, refit_every=30, **options)


@contextmanager
def few_trees():
    """Forests of five trees, where the bits are equal whatever their number."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sliding_forest, "TREES", 5)
        yield


@cache
def whole():
    """The verdicts of 400 points that come at once, by forests of few trees."""
    with few_trees():
        return small().update_many(stream(400))


def test_each_point_is_judged_by_a_forest_of_the_window_before_it():
    """Held against scikit-learn on windows that are cut out by hand."""
    values = stream(300)
    vectors = vectors_of(values)[WARM_UP:]
    raws = np.full(300, np.nan)
    for after in range(40, len(vectors), 30):
        state = int(np.random.SeedSequence([7, after]).generate_state(1)[0])
        forest = IsolationForest(n_estimators=TREES, random_state=state).fit(vectors[after - 40 : after])
        judged = vectors[after : after + 30]
        far = [0.15 * max(float(highest) - 1.2, 0.0) for highest in judged[:, HIGHEST]]
        raws[WARM_UP + after : WARM_UP + after + len(judged)] = -forest.score_samples(judged) + far
    found = small(seed=7).update_many(values)
    assert np.isnan(found["score"]).tolist() == [i < WARM_UP + 40 + LEAST_SCORES for i in range(300)]
    record, verdicts = new_harness()[0], np.zeros(300, VERDICT_DTYPE)
    buffers = new_buffers()[0]
    for raw, verdict in zip(raws, verdicts, strict=True):
        conclude(record, raw, *calibration(), 0.01, NO_RULES.numbers, buffers, verdict)
    known = ~np.isnan(found["score"])
    np.testing.assert_allclose(found["score"][known], verdicts["score"][known], rtol=1e-9)


def test_an_outlier_is_found_and_told_why():
    values = np.random.default_rng(3).normal(size=1500)
    values[1400] = 30.0
    verdicts = SlidingForestDetector(0.001, window=300).update_many(values)
    assert verdicts["is_anomaly"][1400]
    assert verdicts["reason"][1400] == 1


def test_a_window_of_ten_and_a_fit_at_every_point_are_possible(monkeypatch):
    monkeypatch.setattr(sliding_forest, "TREES", 5)
    verdicts = SlidingForestDetector(0.01, window=10, refit_every=1).update_many(stream(200))
    assert np.isfinite(verdicts["score"][WARM_UP + 10 + LEAST_SCORES :]).all()


@pytest.mark.parametrize(
    ("name", "number"), [("window", 9), ("window", 100_001), ("refit_every", 0), ("refit_every", 10**6 + 1)]
)
def test_a_number_out_of_its_range_is_named(name, number):
    with pytest.raises(ValueError, match=rf"{name} is {number}, allowed is"):
        SlidingForestDetector(**{name: number})


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(0, 400), max_size=4))
def test_where_points_may_wait_any_split_gives_the_same_bits(cuts):
    values = stream(400)
    expected = whole()
    split = small()
    with few_trees():
        found = np.concatenate([split.update_many(part) for part in np.split(values, sorted(cuts))])
    assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize("at", [0, 50, WARM_UP + 39, WARM_UP + 40, WARM_UP + 41, 250])
def test_it_goes_on_from_a_saved_state_with_the_same_bits(at):
    """Also right at a fit, where the next forest is still to come."""
    values = stream(400)
    expected = whole()
    first, second = small(), small()
    with few_trees():
        first.update_many(values[:at])
        second.restore(first.state())
        assert second.update_many(values[at:]).tobytes() == expected[at:].tobytes()
    with pytest.raises(ValueError, match="saved state"):
        SlidingForestDetector(window=41).restore(first.state())


def judged_live(detector, values):
    """One by one, as in a live run; now and then there is time for a fit to be ready."""
    parts = []
    for i in range(len(values)):
        if i % 60 == 59 and detector._fitter is not None:
            deadline = time.monotonic() + 60
            while not detector._fitter.is_ready() and time.monotonic() < deadline:
                pass
        parts.append(detector.update_many(values[i : i + 1]))
    return np.concatenate(parts)


def test_a_live_run_is_replayed_with_the_same_bits_by_its_record(tmp_path):
    path, values = tmp_path / "refits.jsonl", stream(600)
    live = judged_live(small(waits=False, refits=path), values)
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    assert entries[0] == {"window": 40, "refit_every": 30, "seed": 1}
    assert len(entries) > 3
    assert all(entry["from"] > entry["after"] + WARM_UP for entry in entries[1:]), "no point waited for its forest"
    before = path.read_bytes()
    assert small(refits=path).update_many(values).tobytes() == live.tobytes()
    one_by_one = small(waits=False, refits=path)
    assert (
        np.concatenate([one_by_one.update_many(value) for value in np.split(values, 600)]).tobytes() == live.tobytes()
    )
    assert path.read_bytes() == before
    resumed = small(refits=path)
    first = small(refits=path)
    first.update_many(values[:300])
    resumed.restore(first.state())
    assert resumed.update_many(values[300:]).tobytes() == live[300:].tobytes()


def test_a_run_that_goes_on_from_a_state_follows_its_record_and_writes_it_on(tmp_path, monkeypatch):
    monkeypatch.setattr(sliding_forest, "TREES", 5)
    path, values = tmp_path / "refits.jsonl", stream(600)
    whole = small(refits=path)
    expected = whole.update_many(values)
    record = path.read_bytes()
    path.unlink()
    killed = small(refits=path)
    killed.update_many(values[:200])
    state = killed.state()
    killed.update_many(values[200:400])  # what it noted here is followed
    resumed = small(refits=path)
    resumed.restore(state)
    assert resumed.update_many(values[200:]).tobytes() == expected[200:].tobytes()
    assert path.read_bytes() == record


def test_a_process_that_dies_loses_no_forest():
    detector, values = small(waits=False), stream(400)
    detector.update_many(values[:200])
    assert detector._fitter is not None
    detector._fitter._pipe.close()
    detector._fitter._pipe = closed_pipe()
    assert np.isfinite(detector.update_many(values[200:])["score"][-50:]).all()


def closed_pipe():
    """One end of a pipe whose other end is gone."""
    from multiprocessing import Pipe  # noqa: PLC0415

    end, other = Pipe()
    other.close()
    return end


def test_what_others_have_judged_is_caught_up_with_all_forests_waited_for():
    values = stream(400)
    detector, expected = small(waits=False), small()
    detector.catch_up(values, np.full(400, np.nan))
    expected.update_many(values)
    assert detector.update_many(values[:20]).tobytes() == expected.update_many(values[:20]).tobytes()


def test_a_record_that_cannot_be_used_is_named_with_what_to_do(tmp_path):
    path = tmp_path / "refits.jsonl"
    for text in ("nonsense\n", '{"window": 40}\n{"after": "x"}\n', "[1]\n[2]\n"):
        path.write_text(text)
        with pytest.raises(DetectorError, match=r"REFITS is .*refits\.jsonl.*no record of refits; name another"):
            small(refits=path)
    path.write_text('{"window": 41, "refit_every": 30, "seed": 1}\n')
    with pytest.raises(DetectorError, match=r"it was written with .*41.*now it is .*40"):
        small(refits=path)
    with pytest.raises(DetectorError, match="REFITS is"):
        small(refits=tmp_path / "no folder" / "refits.jsonl")


def test_a_record_that_cannot_be_written_any_more_is_told_once_and_the_run_goes_on(tmp_path):
    said = []
    detector = small(refits=tmp_path / "refits.jsonl", notify=said.append)
    (tmp_path / "refits.jsonl").unlink()
    (tmp_path / "refits.jsonl").mkdir()
    detector.update_many(stream(300))
    assert said == ["the record of refits failed, the run goes on without it: Is a directory"]


def test_the_same_rows_and_seed_give_the_same_forest():
    rows = np.random.default_rng(1).normal(size=(50, N_VECTOR)).astype(np.float32)
    one, two, other = (fit_forest(rows, 1, after) for after in (50, 50, 80))
    assert one.nodes.tobytes() == two.nodes.tobytes()
    assert one.nodes.tobytes() != other.nodes.tobytes()

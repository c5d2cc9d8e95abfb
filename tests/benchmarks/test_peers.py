import math
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import peers
from benchmarks.boards import Series
from benchmarks.forecasters import forecasters
from benchmarks.peers import LEAST_SCORES, PEERS, flag, missing_packages, run
from benchmarks.speed_contenders import one_by_one
from streamforest.detectors.z_score import ZScoreDetector

NOWHERE = Path("none.joblib")
RATE = 0.01
PROBATION = 90

#: Modules of the packages that may be missing.
MODULES = {"river": "river", "krcf": "krcf", "pysad": "pysad", "scikit-learn": "sklearn"}

every_peer = pytest.mark.parametrize("name", PEERS)


def need(name):
    for package in PEERS[name].packages:
        pytest.importorskip(MODULES[package])


def values_of(n=600, spike_at=500):
    values = np.sin(np.arange(n) / 7.0) + np.random.default_rng(5).normal(0.0, 0.1, n)
    values[spike_at] += 8.0
    return values


def series_of(values):
    return Series("a.csv", values, 60.0 * np.arange(values.size), (), ())


@every_peer
def test_a_score_depends_on_nothing_that_comes_later(name):
    need(name)
    values, cut = values_of(), 450
    other = values.copy()
    other[cut:] = 50.0
    first, second = (np.array(list(PEERS[name].score(one, PROBATION))) for one in (values, other))
    assert first.shape == values.shape
    np.testing.assert_array_equal(first[:cut], second[:cut])
    assert not np.isinf(first).any()


@every_peer
def test_the_same_series_gives_the_same_scores(name):
    need(name)
    first, second = (list(PEERS[name].score(values_of(300, 250), PROBATION)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("name", [name for name in PEERS if name not in ("null", "random")])
def test_a_spike_stands_out(name):
    need(name)
    scores = np.array(list(PEERS[name].score(values_of(), PROBATION)))
    assert scores[500] >= np.nanquantile(scores, 0.95)


def test_the_moving_z_score_holds_a_value_against_those_before_it():
    values = np.append(np.arange(100) % 2, 100.0)
    # they have the mean 0.5 and the standard deviation 0.5
    assert list(PEERS["moving-z-score"].score(values, 0))[-1] == 199.0
    # after a stretch without any spread, what differs is as unusual as can be, what does not is not at all
    assert list(PEERS["moving-z-score"].score(np.append(np.zeros(50), [0.0, 1e-9]), 0))[-2:] == [0.0, 1e6]


@every_peer
def test_a_missing_value_is_neither_scored_nor_learned(name):
    need(name)
    values = values_of(300, 250)
    gappy = np.insert(values, [100, 200], math.nan)
    known = np.isfinite(gappy)
    # the same probation for both, for two of the peers learn in it
    without = np.array(list(PEERS[name].score(values, series_of(gappy).probation)))
    outcome = run(name, series_of(gappy), NOWHERE, RATE)
    np.testing.assert_array_equal(outcome.scores[known], np.nan_to_num(without))
    assert (outcome.scores[~known] == 0.0).all()
    assert not outcome.flagged[~known].any()
    assert outcome.seconds >= 0.0


def test_an_own_detector_decides_for_itself():
    series = series_of(values_of())
    outcome = run("z-score", series, NOWHERE, RATE)
    verdicts = ZScoreDetector(RATE).update_many(series.values, series.times)
    np.testing.assert_array_equal(outcome.flagged, verdicts["is_anomaly"])
    known = ~np.isnan(verdicts["score"])
    assert (outcome.scores[~known] == 0.0).all()
    np.testing.assert_array_equal(outcome.scores[known], verdicts["score"][known])


def naive_flag(scores, rate):
    flagged = []
    for at, score in enumerate(scores):
        before = sorted(other for other in scores[:at] if not math.isnan(other))
        limit = before[len(before) - 1 - int(rate * len(before))] if len(before) >= LEAST_SCORES else math.inf
        flagged.append(score > limit)
    return flagged


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.001, 0.01, 0.2]), st.booleans())
def test_the_common_rule_equals_its_slow_twin(seed, rate, is_rounded):
    rng = np.random.default_rng(seed)
    scores = rng.random(280)
    scores[rng.random(280) < 0.1] = math.nan
    scores = np.round(scores, 1) if is_rounded else scores
    assert flag(scores, rate).tolist() == naive_flag(scores.tolist(), rate)


def test_the_common_rule_flags_as_often_as_asked():
    share = flag(np.random.default_rng(1).random(50_000), 0.01).mean()
    assert share == pytest.approx(0.01, rel=0.1)


def test_what_is_missing_is_told_by_its_name_for_pip(monkeypatch):
    monkeypatch.setattr(peers, "installed", lambda package: None if package == "krcf" else "1.0")
    assert missing_packages("krcf") == ["krcf"]
    assert missing_packages("river-gaussian") == missing_packages("z-score") == []


def test_the_requirements_name_every_package_of_a_peer(tmp_path):
    text = (Path(peers.__file__).with_name("requirements.txt")).read_text(encoding="utf-8")
    asked = {re.split("[<>=]", line)[0] for line in text.splitlines() if not line.startswith("#")}
    needed = {package for peer in PEERS.values() for package in peer.packages}
    needed |= {package for one in one_by_one(tmp_path) for package in one.packages}
    needed |= {package for package, _ in forecasters(None).values() if package}
    assert asked == needed - {"scikit-learn"} | {"setuptools"}, "which rrcf needs and does not name"

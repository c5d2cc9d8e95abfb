import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamforest.detectors.lstm_autoencoder import LstmAutoencoderDetector
from streamforest.features.observe import GAP, WARM_UP
from streamforest.features.windows import GAIN, MOST, REACH, REACH_AFTER, WINDOW
from streamforest.judging.harness import LEAST_SCORES
from streamforest.judging.rules import Rules
from streamforest.models.lstm import save_lstm
from streamforest.protocols import REASONS
from tests import naive
from tests.networks import random_model

MODEL = random_model()


def detector(rate=0.01, rules=None):
    return LstmAutoencoderDetector(MODEL, rate, *([rules] if rules else []))


def stream(n, seed=1):
    return np.random.default_rng(seed).normal(50.0, 3.0, n)


def test_a_far_value_is_found_and_told_why():
    values = stream(3000)
    values[2000], values[2500] = 90.0, 5.0
    verdicts = detector(1e-4).update_many(values)
    assert [REASONS[verdicts["reason"][i]] for i in (2000, 2500)] == ["spike", "dip"]


def test_verdicts_begin_after_the_warm_up_and_nothing_is_said_before():
    verdicts = detector().update_many(stream(300))
    known = ~np.isnan(verdicts["score"])
    assert detector().warm_up_points == WARM_UP + LEAST_SCORES
    assert known.tolist() == [i >= WARM_UP + LEAST_SCORES for i in range(300)]
    assert np.isfinite(verdicts["expected"][WARM_UP:]).all()


@pytest.mark.parametrize("rate", [0.05, 0.01, 0.001])
def test_the_band_is_the_threshold(rate):
    values = np.random.default_rng(3).standard_t(3, size=6000)
    values[3000:3040] += 30.0
    values[1000:1010] = np.nan
    verdicts = detector(rate).update_many(values)[WARM_UP + LEAST_SCORES :]
    verdicts = verdicts[np.isfinite(verdicts["value"])]
    room = 1e-9 * (1.0 + np.abs(verdicts["expected"]))
    outside = (verdicts["value"] < verdicts["lower"] - room) | (verdicts["value"] > verdicts["upper"] + room)
    inside = (verdicts["value"] > verdicts["lower"] + room) & (verdicts["value"] < verdicts["upper"] - room)
    assert verdicts["is_anomaly"].any()
    assert verdicts["is_anomaly"][outside].all()
    assert not verdicts["is_anomaly"][inside].any()
    assert (verdicts["lower"] <= verdicts["expected"]).all()
    assert (verdicts["expected"] <= verdicts["upper"]).all()


def test_what_is_expected_is_the_reconstruction_by_the_slow_twin():
    values = stream(300)
    values[150:155] = np.nan
    verdicts = detector().update_many(values)
    head = values[:WARM_UP]
    zero = np.median(head)
    unit = 1.4826 * np.sort(np.abs(head - zero))[WARM_UP // 2]
    for i in (WARM_UP, 60, 153, 170, 299):
        points = [*((values[:i] - zero) / unit), np.nan]
        window, level, spread = naive.window_of(points, GAIN, REACH, REACH_AFTER, 0.01, MOST)
        made = naive.lstm_reconstruct(MODEL.weights, ([np.nan] * WINDOW + window)[-WINDOW:])[0]
        assert verdicts["expected"][i] == pytest.approx(zero + unit * (level + spread * made), rel=1e-6)


def test_what_is_expected_and_the_threshold_do_not_depend_on_the_value_or_what_follows():
    values = stream(1000)
    other = values.copy()
    other[700:] += 50.0
    one, two = (detector().update_many(v) for v in (values, other))
    assert one[:700].tobytes() == two[:700].tobytes()
    for field in ("expected", "lower", "upper", "threshold"):
        assert one[field][700] == two[field][700]


@pytest.mark.parametrize("rate", [0.05, 0.01])
def test_the_alarm_rate_asked_for_is_the_alarm_rate_got(rate):
    flagged = detector(rate).update_many(stream(30_000))["is_anomaly"][2000:].mean()
    assert 0.5 * rate < flagged < 2.0 * rate


def test_the_unit_of_a_stream_does_not_matter():
    one, other = (detector().update_many(factor * stream(2000)) for factor in (1.0, 2.0**20))
    assert one["score"].tobytes() == other["score"].tobytes()


def test_silence_is_judged_by_how_rare_such_a_gap_is():
    values = stream(3000)
    values[2000:2010] = np.nan
    verdicts = detector(0.001).update_many(values)
    reported = verdicts[2000:2010][verdicts["is_anomaly"][2000:2010]]
    assert len(reported)
    assert {REASONS[reason] for reason in reported["reason"]} == {"gap"}
    assert np.isfinite(verdicts["expected"][2000:2010]).all()
    assert GAP == 10


def test_a_shift_too_small_for_a_point_is_seen_at_a_coarse_scale():
    values = stream(4000)
    values[3000:3048] += 6.0
    full = detector(0.001).update_many(values)
    assert full["score"][3017:3048].mean() > 1.5 * full["score"][2000:3000].mean()


def test_a_rule_holds_a_point_back_by_what_is_expected():
    values = stream(2000)
    values[1500], values[1700] = 100.0, 0.0
    up = detector(0.001, Rules(direction="up")).update_many(values)
    assert (up["is_anomaly"][1500], up["is_anomaly"][1700]) == (True, False)


def test_a_file_gives_the_same_detector(tmp_path):
    save_lstm(MODEL, tmp_path / "made.npz")
    loaded = LstmAutoencoderDetector.load(tmp_path / "made.npz", 0.01)
    assert loaded.update_many(stream(500)).tobytes() == detector().update_many(stream(500)).tobytes()


numbers = st.one_of(st.floats(allow_infinity=False), st.sampled_from([0.0, 1.0, -1e308, 1e308, 5e-324]))


@settings(max_examples=50, deadline=None)
@given(st.lists(numbers, min_size=30, max_size=150), st.data())
def test_any_split_and_any_resumption_give_the_same_bits_and_never_an_infinity(values, data):
    cut = data.draw(st.integers(0, len(values)))
    whole = detector().update_many(np.array(values))
    first, second = detector(), detector()
    pieces = [first.update_many(np.array(values[:cut]))]
    second.restore(first.state())
    single = [second.update(value) for value in values[cut : cut + 3]]
    pieces.append(second.update_many(np.array(values[cut + 3 :])))
    assert pieces[0].tobytes() + pieces[1].tobytes() == whole[:cut].tobytes() + whole[cut + 3 :].tobytes()
    assert [v.score for v in single] == [None if s != s else s for s in whole["score"][cut : cut + 3].tolist()]
    for field in ("expected", "lower", "upper"):
        assert np.isfinite(whole[field][~np.isnan(whole[field])]).all()
    scores = whole["score"][~np.isnan(whole["score"])]
    assert ((scores >= 0.0) & (scores <= 1.0)).all()


def test_memory_is_one_record():
    made = detector()
    size = made.state()["records"].nbytes
    made.update_many(stream(5000))
    assert made.state()["records"].nbytes == size < 30_000

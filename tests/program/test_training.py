import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from streamforest.detectors.isolation_forest import StreamDetector
from streamforest.detectors.lstm_autoencoder import LstmAutoencoderDetector
from streamforest.features.vector import VECTOR_NAMES
from streamforest.models.lstm import load_lstm
from streamforest.models.model_file import load_model, save_model
from streamforest.program import train_command, training
from streamforest.protocols import LABELS, NORMAL, SourceError
from streamforest.simulation.streams import SimulatedStream, StreamProfile

PROJECT = Path(__file__).parents[2]
IMPORTS = "import sys\nfrom streamforest.program import train_command, training\n"
END = "sys.exit(train_command.main(sys.argv[1:], 'model_prod.py'))"
TINY = {
    "TREES": 10,
    "FIT_STREAMS": 10,
    "FIT_POINTS": 400,
    "CALM_STREAMS": 10,
    "CALM_POINTS": 500,
    "CHECK_STREAMS": 5,
    "CHECK_POINTS": 2000,
    "CHECK_OUTLIERS": 0.05,
}


def main(words):
    return train_command.main(words, "model_prod.py")


@pytest.fixture
def tiny(monkeypatch):
    for name, number in TINY.items():
        monkeypatch.setattr(training, name, number)


def labels_of(*stretches):
    return np.concatenate([np.full(n, LABELS.index(label), dtype=np.int8) for label, n in stretches])


# The same seed, the same model


@pytest.mark.usefixtures("tiny")
def test_the_same_seed_gives_the_same_bytes_and_another_another_model(tmp_path):
    for name, seed in (("one", 7), ("same", 7), ("other", 8)):
        save_model(training.train(seed, 0.01)[0], tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "same").read_bytes()
    assert (tmp_path / "one").read_bytes() != (tmp_path / "other").read_bytes()


@pytest.mark.usefixtures("tiny")
def test_another_run_of_the_program_gives_the_same_bytes(tmp_path):
    code = f"{IMPORTS}vars(training).update({TINY!r})\n{END}"
    words = [sys.executable, "-c", code, "--seed", "7", "--output", str(tmp_path / "one.joblib")]
    environment = {**os.environ, "PYTHONHASHSEED": "3", "PYTHONPATH": str(PROJECT)}
    run = subprocess.run(words, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)
    assert run.returncode == 0, run.stderr
    assert f"saved {tmp_path / 'one.joblib'}" in run.stdout
    assert "\r" not in run.stderr, "no bar where there is no terminal"
    save_model(training.train(7, 0.001)[0], tmp_path / "two.joblib")
    assert (tmp_path / "one.joblib").read_bytes() == (tmp_path / "two.joblib").read_bytes()


@pytest.mark.usefixtures("tiny")
def test_the_streams_that_it_is_checked_on_are_others_than_those_it_was_fitted_on(monkeypatch):
    used, streams = [], training.streams

    def watched(seed, *rest):
        used.append(tuple(seed))
        return streams(seed, *rest)

    monkeypatch.setattr(training, "streams", watched)
    training.train(1, 0.01)
    assert len(used) == len(set(used)) == 3


def test_streams_of_different_uses_are_different():
    taken = [next(training.streams([1, use], 1, 0.0, "")).take(50)[0].tobytes() for use in range(3)]
    assert len(set(taken)) == 3
    two = list(training.streams([1, 0], 2, 0.0, ""))
    assert two[0].take(50)[0].tobytes() == taken[0] != two[1].take(50)[0].tobytes()


# What it holds


def test_the_model_holds_what_is_needed_to_trust_it(model):
    assert model.feature_names == VECTOR_NAMES
    assert model.seed == 1
    assert set(model.versions) == {"python", "numpy", "scikit-learn"}
    assert model.fitted.n_features_in_ == len(VECTOR_NAMES)
    assert len(model.fitted.estimators_) == training.TREES == 50
    assert {"rows", "false_alarm_rate", "area_under_precision_recall", "recall of spike"} <= set(model.report)
    assert all(isinstance(figure, float) for figure in model.report.values())


def test_the_report_is_of_a_model_that_works(model):
    assert model.report["rows"] > 100_000
    assert model.report["false_alarm_rate"] < 0.003
    assert model.report["area_under_precision_recall"] > 0.2
    assert model.report["recall of spike"] > 0.4


def calm_streams(n, points):
    """Values of streams without anomalies, other ones than any that the model was made of."""
    return [stream.take(points)[0] for stream in training.streams([1, 9], n, 0.0, "")]


@pytest.mark.parametrize("name", ["forest_calibration", "calibration"])
def test_a_calibration_rises_and_gives_normal_points_their_share(name, model):
    scores, surprises = getattr(model, name).T
    assert (np.diff(scores) > 0.0).all()
    assert (np.diff(surprises) > 0.0).all()
    assert surprises[0] == 0.0
    assert 0.0 < scores[0] < scores[-1] < 1.0
    calm = calm_streams(120, training.CALM_POINTS)
    if name == "calibration":
        found = training.normal_scores(model, calm)
    else:
        found = training.forest_scores(model.forest, training.vectors_of(calm))
    for share, factor in ((0.5, 1.3), (0.1, 1.5), (0.01, 3.0)):
        there = np.mean(found >= np.interp(-np.log(share), surprises, scores))
        assert share / factor < there < share * factor, "streams differ, and few make the tail"


def test_the_two_calibrations_are_of_different_scores(model):
    assert model.calibration.shape[1] == model.forest_calibration.shape[1] == 2
    assert model.calibration[0, 0] < 0.2 < model.forest_calibration[0, 0], "a forest never says 0"


@pytest.mark.parametrize("seed", [1, 2])
def test_calibrate_is_exact_on_the_scores_it_was_given(seed):
    found = np.random.default_rng(seed).beta(2.0, 8.0, size=20_000)
    table = training.calibrate(found)
    assert table.shape == (training.KNOTS, 2)
    for score, surprise in table[5::10]:
        assert np.mean(found >= score) == pytest.approx(np.exp(-surprise), rel=0.02, abs=1e-4)
    assert np.count_nonzero(found >= table[-1, 0]) == pytest.approx(training.TAIL_SCORES, abs=1)


def test_calibrate_gives_a_score_that_many_points_have_the_share_of_all_of_them():
    found = np.r_[np.full(9000, 0.25), np.random.default_rng(1).uniform(0.3, 0.9, 1000)]
    table = training.calibrate(found)
    assert (np.diff(table, axis=0) > 0.0).all()
    assert table[0].tolist() == [0.25, 0.0]


def test_the_forests_scores_are_scikit_learns(model):
    vectors = training.vectors_of(calm_streams(3, 300))
    found = training.forest_scores(model.forest, vectors)
    np.testing.assert_allclose(found, -model.fitted.score_samples(vectors), rtol=1e-14)


def test_normal_scores_are_the_detectors_without_the_warm_ups_and_whatever_its_calibration(model):
    calm = calm_streams(3, 300)
    found = training.normal_scores(model, calm)
    each = [StreamDetector(model).update_many(values)["score"] for values in calm]
    np.testing.assert_array_equal(found, np.concatenate([s[StreamDetector.warm_up_points :] for s in each]))
    other = model._replace(calibration=np.array([[0.1, 0.0], [0.2, 5.0]]))
    np.testing.assert_array_equal(training.normal_scores(other, calm), found)


@pytest.mark.usefixtures("tiny")
def test_the_forest_is_fitted_on_anomalies_too_and_calibrated_without_any(monkeypatch):
    asked, streams = [], training.streams

    def watched(seed, n, outlier_probability, what):
        asked.append((seed[1], n, outlier_probability))
        return streams(seed, n, outlier_probability, what)

    monkeypatch.setattr(training, "streams", watched)
    model, report = training.train(1, 0.01)
    assert asked == [(0, 10, training.FIT_OUTLIERS), (1, 10, 0.0), (2, 5, TINY["CHECK_OUTLIERS"])]
    assert len(model.fitted.estimators_) == TINY["TREES"]
    assert report.rows == 10 * (400 - StreamDetector.warm_up_points) == model.report["rows"]


def test_vectors_leave_out_the_warm_ups():
    streams = [np.random.default_rng(seed).normal(size=100) for seed in range(3)]
    vectors = training.vectors_of(streams)
    assert vectors.shape == (3 * (100 - StreamDetector.warm_up_points), len(VECTOR_NAMES))
    assert np.isfinite(vectors).all()


# The check


def test_stretches_of_a_label_are_events_even_side_by_side_and_at_the_ends():
    labels = labels_of(("spike", 2), ("normal", 3), ("dip", 1), ("ramp", 4), ("normal", 1), ("missing", 2))
    found = [("spike", 0, 2), ("dip", 5, 6), ("ramp", 6, 10), ("missing", 11, 13)]
    assert training.events_in(labels) == found
    assert training.events_in(labels_of(("normal", 5))) == []
    assert training.events_in(np.empty(0, dtype=np.int8)) == []


def test_the_check_counts_false_alarms_and_found_events(model, monkeypatch):
    monkeypatch.setattr(training, "CHECK_STREAMS", 6)
    monkeypatch.setattr(training, "CHECK_POINTS", 3000)
    calm = training.check(model, 0.01, [4])
    monkeypatch.setattr(training, "CHECK_OUTLIERS", 0.2)
    troubled = training.check(model, 0.01, [4])
    assert sum(troubled.events.values()) > 3 * sum(calm.events.values()) > 0
    for report in (calm, troubled):
        assert set(report.recall) == set(report.events) <= set(LABELS[2:])
        assert all(0.0 <= share <= 1.0 for share in report.recall.values())
        assert 0.0 <= report.false_alarm_rate < 0.05


def test_the_report_in_words_has_every_figure():
    report = training.TrainingReport(1234, 0.00123, 0.456, {"spike": 0.75, "ramp": 0.5}, {"spike": 40, "ramp": 2})
    text = training.describe(report, 12.3, 0.001)
    for part in ("1,234 rows", "12 s", "0.00123", "0.456", "75.0% of 40", "50.0% of 2", "alarm rate of 0.001"):
        assert part in text


# On the user's own stream


def options(**more):
    return SimpleNamespace(**{"column": None, "time_column": None, "label_column": None, **more})


def write(path, values, labels=None):
    rows = ["value" if labels is None else "value,label"]
    rows += [
        f"{v!r}" if labels is None else f"{v!r},{int(labels[i])}" for i, v in enumerate(np.asarray(values).tolist())
    ]
    path.write_text("\n".join(rows))
    return path


def labelled(points=4000, seed=1, outliers=0.01):
    profile = StreamProfile(level=20.0, drift=2.0)
    return SimulatedStream(profile, seed, outliers, ("spike", "dip")).take(points)


def test_an_own_stream_is_read_as_it_is_watched(tmp_path):
    values, labels = labelled()
    own = training.read_own(write(tmp_path / "own.csv", values, labels != 0), options())
    np.testing.assert_array_equal(own.values, values)
    np.testing.assert_array_equal(own.labels != 0, labels != 0)
    assert own.start == 3200
    (tmp_path / "two.csv").write_text("a,b\n" + "1,2\n" * 1000)
    assert set(training.read_own(tmp_path / "two.csv", options(column="b")).values) == {2.0}


def test_without_labels_all_is_normal(tmp_path):
    own = training.read_own(write(tmp_path / "own.csv", labelled()[0]), options())
    assert not own.labels.any()


@pytest.mark.parametrize("detector", ["isolation-forest", "lstm-autoencoder"])
def test_too_short_a_file_is_told_with_what_is_needed(detector, tmp_path, capsys):
    path = write(tmp_path / "short.csv", np.arange(999.0))
    assert main(["--detector", detector, "--train-on", str(path)]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert "short.csv has 999 normal readings that can be used, 1,000 are needed" in error


def test_labelled_anomalies_and_missing_readings_do_not_count(tmp_path):
    values, labels = np.arange(1005.0), np.zeros(1005)
    labels[10:13] = 1
    values[20:23] = np.nan
    with pytest.raises(SourceError, match="has 999 normal"):
        training.read_own(write(tmp_path / "own.csv", values, labels), options())


@pytest.mark.parametrize("path", ["none.csv", "."])
def test_a_file_that_cannot_be_read_is_told_in_one_line(path, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["--train-on", path]) == 1
    error = capsys.readouterr().err.splitlines()
    assert error[-1].startswith("model_prod.py: ")


def test_labelled_anomalies_are_not_among_what_a_forest_is_fitted_on():
    values, labels = labelled()
    stream = training.LabelledStream(values, labels)
    every = training.vectors_of([values])
    found = training.normal_vectors(stream)
    assert len(found) == np.count_nonzero(labels[StreamDetector.warm_up_points :] == NORMAL) < len(every)
    assert found.max() < every.max()


@pytest.mark.parametrize("seed", [1, 2])
def test_a_forest_of_an_own_stream_keeps_the_alarm_rate_on_its_continuation(seed):
    values, labels = labelled(40_000, seed)
    own = training.LabelledStream(values[:5000], labels[:5000], 4000)
    model, report = training.train(1, 0.01, own)
    assert report.rows < 4000
    assert report.recall["spike"] > 0.5
    calm = SimulatedStream(StreamProfile(level=20.0, drift=2.0), seed + 10).take(40_000)[0]
    flagged = StreamDetector(model, 0.01).update_many(calm)["is_anomaly"][2000:].mean()
    assert 0.005 < flagged < 0.02


def test_it_trains_on_a_file_and_says_what_was_held_out(tmp_path, capsys):
    values, labels = labelled()
    path, made = write(tmp_path / "own.csv", values, labels != 0), tmp_path / "made.joblib"
    words = ["--train-on", str(path), "--output", str(made), "--column", "value"]
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert "rows of own.csv" in shown
    assert "checked on the last 20% of it" in shown
    assert len(StreamDetector(load_model(made)).update_many(values)) == 4000


def test_where_there_are_no_labels_nothing_is_said_of_what_was_found():
    report = training.TrainingReport(12, 0.001, float("nan"), {}, {})
    assert "found" not in training.describe(report, 1.0, 0.001, "own.csv")


# The autoencoder


@pytest.mark.skipif(not all(map(importlib.util.find_spec, ("keras", "jax"))), reason="Keras or JAX is not installed")
@pytest.mark.parametrize("on_file", [False, True])
def test_the_autoencoder_trains_reports_and_saves(on_file, tmp_path, tmp_path_factory):
    tiny = {
        "WINDOW_STREAMS": 20,
        "WINDOW_POINTS": 1500,
        "CHECK_STREAMS": 5,
        "CHECK_POINTS": 2000,
        "CHECK_OUTLIERS": 0.05,
    }
    code = f"{IMPORTS}from streamforest.models import lstm_training\nlstm_training.MOST_EPOCHS = 8\n"
    code += f"vars(training).update({tiny!r})\n{END}"
    words = [sys.executable, "-c", code, "--detector", "lstm-autoencoder", "--output", str(tmp_path / "made.npz")]
    values, labels = labelled()
    if on_file:
        words += ["--train-on", str(write(tmp_path / "own.csv", values, labels != 0))]
    compiled = tmp_path_factory.getbasetemp() / "jax"  # the second run finds what the first one has compiled
    environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": str(compiled)}
    environment |= {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    run = subprocess.run(words, capture_output=True, text=True, cwd=PROJECT, env=environment, check=False, timeout=300)
    assert run.returncode == 0, run.stderr
    assert set(run.stderr.splitlines()) <= {"compiling, once: this takes up to half a minute"}
    assert f"saved {tmp_path / 'made.npz'}" in run.stdout
    assert ("own.csv" in run.stdout) == on_file
    made = load_lstm(tmp_path / "made.npz")
    assert set(made.versions) == {"python", "numpy", "keras", "jax"}
    verdicts = LstmAutoencoderDetector(made, 0.01).update_many(values)
    events = [(start, end) for _, start, end in training.events_in(labels) if start > 500]
    found = [verdicts["is_anomaly"][start : end + 2].any() for start, end in events]
    assert np.mean(found) > 0.6
    assert verdicts["is_anomaly"][labels == NORMAL].mean() < 0.03

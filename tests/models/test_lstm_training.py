import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from streamforest.features.windows import N_SCALES, WINDOW
from streamforest.models import lstm_training
from streamforest.models.lstm_training import CODE, EPOCHS, MOST_EPOCHS, UNITS, USUAL_WINDOWS, Samples
from streamforest.optional import MissingPackageError
from tests.networks import random_weights

PROJECT = Path(__file__).parents[2]
REQUIREMENTS = PROJECT / "streamforest" / "requirements" / "lstm-autoencoder.txt"

#: In a process of its own: the framework's threads must not be there where other tests fork.
with_framework = pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("keras", "jax")), reason="Keras or JAX is not installed"
)


def run(code, **more):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT, check=False, timeout=300, **more
    )


def streams(n, points=2000):
    return [np.random.default_rng(seed).normal(size=points) for seed in range(n)]


# Without the framework


def test_samples_are_of_every_scale_and_no_more_than_asked_for():
    samples = lstm_training.sample(streams(3), 50, np.random.default_rng(1))
    assert samples.windows.shape == (3 * N_SCALES * 50, WINDOW)
    assert np.bincount(samples.scales).tolist() == [150] * N_SCALES
    assert not np.isnan(samples.windows[:, -1]).any()
    few = lstm_training.sample(streams(1, 500), 400, np.random.default_rng(1))
    assert np.bincount(few.scales).tolist() == [400, 101, 7]
    assert len(lstm_training.sample([], 50, np.random.default_rng(1)).windows) == 0


def test_the_newest_points_are_always_hidden_others_sometimes_and_unknown_ones_look_the_same():
    windows = np.ones((500, WINDOW), np.float32)
    windows[:, 5] = np.nan
    seen = lstm_training.hide(windows, np.random.default_rng(1))
    assert seen.shape == (500, WINDOW, 2)
    assert seen.dtype == np.float32
    assert not seen[:, [5, WINDOW - 1]].any()
    assert np.array_equal(seen[..., 0], seen[..., 1]), "the value is 1 where it is known"
    assert 0.05 < 1.0 - seen[:, 6:20, 1].mean() < 0.2


def test_few_windows_are_gone_through_more_often_up_to_a_limit():
    assert lstm_training.epochs_for(USUAL_WINDOWS) == lstm_training.epochs_for(10 * USUAL_WINDOWS) == EPOCHS
    assert lstm_training.epochs_for(USUAL_WINDOWS // 10) == 10 * EPOCHS
    assert lstm_training.epochs_for(1) == MOST_EPOCHS


@pytest.mark.parametrize("n", [2000, 50, 1])
def test_usual_errors_rise_at_every_scale(n):
    rng = np.random.default_rng(1)
    samples = Samples(rng.normal(size=(n, WINDOW)).astype(np.float32), rng.integers(0, 2, n))
    errors = lstm_training.usual_errors(random_weights(), samples)
    assert errors.shape == (N_SCALES, 3)
    assert (errors[:, 0] > 0).all()
    assert (np.diff(errors) > 0).all()


def test_the_framework_that_is_missing_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "jax", None)
    with pytest.raises(MissingPackageError, match=r"lstm-autoencoder needs jax.*requirements/lstm-autoencoder\.txt"):
        lstm_training.load_keras()
    assert {line.split(">")[0] for line in REQUIREMENTS.read_text().splitlines() if line[0] != "#"} == {"keras", "jax"}


# With it


@with_framework
def test_the_compiled_pass_is_the_frameworks_prediction():
    code = """
import numpy as np, json
from streamforest.models import lstm_training as t
from streamforest.models.lstm import new_lstm_buffers, reconstruct
model = t.network()
rng = np.random.default_rng(1)
# the framework's own first weights have no seed, and large ones multiply what is rounded
model.set_weights([rng.normal(scale=0.3, size=w.shape) for w in model.get_weights()])
windows = rng.normal(scale=2.0, size=(50, t.WINDOW)).astype(np.float32)
windows[rng.random(windows.shape) < 0.2] = np.nan
expected = model.predict(t.seen_by(windows, np.ones(windows.shape, bool)), verbose=0)[..., 0]
weights = t.weights_of(model)
buffers, found = new_lstm_buffers(weights), np.empty_like(expected)
for i, window in enumerate(windows):
    buffers.window[:] = window
    reconstruct(weights, buffers, found[i])
print(json.dumps([float(np.abs(found - expected).max()), float(np.abs(expected).max())]))
"""
    ran = run(code)
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == "", "the framework says nothing to the user"
    difference, largest = json.loads(ran.stdout)
    assert difference < 1e-5
    assert largest > 0.1


FIT = """
import hashlib, json, numpy as np
from streamforest.models import lstm_training as t
t.MOST_EPOCHS = 8
rng = np.random.default_rng(1)
waves = [np.sin(np.arange(3000) * 2 * np.pi / 20 + phase) for phase in rng.random(4)]
samples = t.sample(waves, 300, rng)
told = []
def errors(weights):
    return float(np.median(t.newest_errors(weights, samples.windows[samples.scales == 0])))
weights = t.fit(samples.windows, 5, lambda done, of: told.append([done, of]))
digest = hashlib.sha256(b"".join(w.tobytes() for w in weights)).hexdigest()
untrained = t.weights_of(t.network())
shape = weights.decoder_input.shape
print(json.dumps([digest, errors(weights), errors(untrained), told, shape, sorted(t.versions())]))
"""


@with_framework
def test_training_learns_and_the_same_seed_gives_the_same_weights():
    runs = [run(FIT) for _ in range(2)]
    assert [one.returncode for one in runs] == [0, 0], runs[0].stderr
    assert runs[0].stderr == ""
    digest, trained, untrained, said, shape, versions = json.loads(runs[0].stdout)
    assert digest == json.loads(runs[1].stdout)[0]
    assert trained < 0.7 * untrained
    assert said == [[done, 8] for done in range(9)]
    assert shape == [CODE, 4 * UNITS]
    assert versions == ["jax", "keras", "numpy", "python"]

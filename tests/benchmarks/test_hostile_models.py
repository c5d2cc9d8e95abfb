import re
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.ensemble import IsolationForest

from benchmarks import hostile_models
from benchmarks.hostile_models import BATCH, KINDS, Witness, hostile, main, outcome
from streamforest.detectors.isolation_forest import StreamDetector
from streamforest.features.vector import VECTOR_NAMES
from streamforest.models.forest import flatten
from streamforest.models.model_file import CHECKSUM_BYTES, Model, save_model


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A small model that was trained on noise."""
    rows = np.random.default_rng(1).exponential(size=(300, len(VECTOR_NAMES)))
    fitted = IsolationForest(n_estimators=4, random_state=1).fit(rows)
    calibration = np.column_stack([np.linspace(0.3, 0.8, 20), np.linspace(0.0, 9.0, 20)])
    versions = {"scikit-learn": "any"}
    file = tmp_path_factory.mktemp("hostile") / "forest.joblib"
    save_model(Model(flatten(fitted), VECTOR_NAMES, calibration, calibration, 1, versions, {}, fitted), file)
    return file


@pytest.mark.skipif(not hostile_models.Path("/proc/self/statm").exists(), reason="needs /proc: Linux")
def test_150_hostile_files_do_no_harm(path, capsys):
    code = main(["--model", str(path), "--count", "150", "--jobs", "1"])
    said = capsys.readouterr().out
    assert code == 0, said
    assert re.search(r"^150 files in \d+ s: 0 did harm$", said, re.MULTILINE)


def test_the_same_seed_makes_the_same_files_of_every_kind(path):
    body = path.read_bytes()[:-CHECKSUM_BYTES]
    made = [hostile(body, 1, number, "mark") for number in range(len(KINDS))]
    assert [kind for kind, _ in made] == list(KINDS)
    assert made == [hostile(body, 1, number, "mark") for number in range(len(KINDS))]
    assert made != [hostile(body, 2, number, "mark") for number in range(len(KINDS))]
    assert len(KINDS) < BATCH


def test_harm_would_be_seen(path, monkeypatch):
    StreamDetector.load(path).update_many(np.zeros(300))  # whatever is imported late, is now
    witness = Witness()

    def careless(file):
        (file.parent / "made").mkdir()
        raise hostile_models.ModelError

    monkeypatch.setattr(hostile_models, "StreamDetector", SimpleNamespace(load=careless))
    assert outcome(path, witness) == "did os.mkdir"
    monkeypatch.setattr(hostile_models, "StreamDetector", SimpleNamespace(load=lambda _: next(iter(()))))
    assert outcome(path, witness) == "raised StopIteration"
    monkeypatch.undo()
    assert outcome(path, witness) == "accepted"

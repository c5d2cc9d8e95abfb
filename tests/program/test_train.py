from types import SimpleNamespace

import pytest

from streamforest.optional import MissingPackageError
from streamforest.program import train, training, warm_up


class Trained:
    """A way to train that needs no time."""

    what = "forest"
    fault = None

    def __init__(self, save, fault=None):
        self._save, self._fault = save, fault

    def train(self, _seed, _alarm_rate, _own):
        if self._fault is not None:
            raise self._fault
        return self._save, "a report"


@pytest.fixture
def run(monkeypatch, tmp_path):
    monkeypatch.setattr(warm_up, "compile_all", lambda _needed: None)
    monkeypatch.setattr(training, "describe", lambda report, *_: f"it is {report}")

    def run(save, fault=None):
        monkeypatch.setitem(training.TRAINED, "isolation-forest", Trained(save, fault))
        wanted = {"detector": "isolation-forest", "model": tmp_path / "forest", "train_on": None, "seed": 1}
        return train.train_and_save(SimpleNamespace(**wanted, alarm_rate=0.001), "main.py")

    return run


def test_a_model_is_trained_described_and_saved(run, tmp_path, capsys):
    assert run(lambda path: path.write_text("a model", encoding="utf-8")) == train.DONE
    assert (tmp_path / "forest").read_text(encoding="utf-8") == "a model"
    assert capsys.readouterr().out == f"it is a report\nsaved {tmp_path / 'forest'}\n"


def test_what_cannot_be_trained_or_saved_is_said_in_a_line(run, tmp_path, capsys):
    def fail(_path):
        raise OSError(28, "No space left on device")

    assert run(fail) == train.FAILED
    assert f"the model cannot be saved at {tmp_path / 'forest'}: No space left on device" in capsys.readouterr().err
    assert run(fail, MissingPackageError("torch is not installed")) == train.FAILED
    assert capsys.readouterr().err == "main.py: torch is not installed\n"


def test_each_detector_that_is_trained_has_a_setting_for_its_model():
    assert set(train.MODELS) == set(training.TRAINED)

import sys
from pathlib import Path

import pytest

import settings
from streamforest.models.model_file import load_model
from streamforest.program import train_command, training
from tests.program.test_training import TINY


def main(words):
    return train_command.main(words, "model_prod.py")


@pytest.fixture
def tiny(monkeypatch):
    for name, number in TINY.items():
        monkeypatch.setattr(training, name, number)


@pytest.mark.usefixtures("tiny")
def test_it_trains_reports_and_saves(tmp_path, capsys):
    path = tmp_path / "made.joblib"
    assert main(["--seed", "3", "--output", str(path)]) == 0
    shown = capsys.readouterr().out
    assert shown.splitlines()[-1] == f"saved {path}"
    assert "false alarms" in shown
    assert load_model(path).seed == 3


@pytest.mark.usefixtures("tiny")
def test_a_place_that_cannot_be_written_is_named_in_one_line(tmp_path, capsys):
    path = tmp_path / "no folder" / "made.joblib"
    assert main(["--output", str(path)]) == 1
    error = capsys.readouterr().err.splitlines()
    assert f"the model cannot be saved at {path}: No such file or directory" in error


@pytest.mark.parametrize("words", [["--seed", "-1"], ["--seed", "x"], ["--delay", "1"], ["stray"]])
def test_a_wrong_command_line_trains_nothing(words, capsys, monkeypatch):
    monkeypatch.setattr(training, "train", None)
    try:
        code = main(words)
    except SystemExit as end:
        code = end.code
    assert code == 2
    assert "Traceback" not in capsys.readouterr().err


# Which detector


def test_the_output_is_the_chosen_detectors_model():
    values = vars(settings)

    def read(words, values):
        return train_command.read_command(words, "model_prod.py", values, Path())

    assert read([], values).model.name == settings.MODEL
    assert read(["--detector", "lstm-autoencoder"], values).model.name == settings.LSTM_MODEL
    assert read(["--detector", "lstm-autoencoder", "--output", "x.npz"], values).model == Path("x.npz")
    assert read([], {**values, "DETECTOR": "lstm-autoencoder"}).model.name == settings.LSTM_MODEL
    assert read([], {**values, "DETECTOR": "z-score"}).detector == "isolation-forest"


def test_a_detector_without_a_model_is_not_trained(capsys):
    assert main(["--detector", "z-score"]) == 2
    assert "'z-score', which has no model; those are isolation-forest, lstm-autoencoder" in capsys.readouterr().err


def test_what_training_needs_and_is_not_there_is_told_in_one_line(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "jax", None)
    assert main(["--detector", "lstm-autoencoder"]) == 1
    assert "lstm-autoencoder needs jax" in capsys.readouterr().err.splitlines()[-1]

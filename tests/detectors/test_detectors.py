from pathlib import Path

import pytest

from streamforest.detectors import DETECTORS, DetectorOptions, make_detector
from streamforest.forest import ModelError, save_model
from streamforest.lstm import save_lstm
from streamforest.options import OPTIONS
from tests.networks import random_model


def test_the_options_offer_what_the_table_has():
    choices = next(option.choices for option in OPTIONS if option.name == "DETECTOR")
    assert choices == (*DETECTORS, "list")


def test_each_detector_bears_the_name_it_is_chosen_by(model, tmp_path):
    path = tmp_path / "forest.joblib"
    save_model(model, path)
    save_lstm(random_model(), tmp_path / "lstm.npz")
    for name in DETECTORS:
        assert make_detector(name, DetectorOptions(path, 0.01, lstm_model=tmp_path / "lstm.npz")).name == name


def test_only_a_detector_that_needs_the_model_asks_for_it():
    missing = Path("missing.joblib")
    assert make_detector("z-score", DetectorOptions(missing, 0.01))
    with pytest.raises(ModelError, match=r"missing\.joblib"):
        make_detector("isolation-forest", DetectorOptions(missing, 0.01))
    with pytest.raises(ModelError, match=r"none\.npz.*--detector lstm-autoencoder"):
        make_detector("lstm-autoencoder", DetectorOptions(missing, 0.01, lstm_model=Path("none.npz")))

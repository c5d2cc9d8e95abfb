import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

import main
from streamforest.detectors import DETECTORS, DetectorOptions, make_detector
from streamforest.models.forest import ModelError
from streamforest.models.lstm import save_lstm
from streamforest.models.model_file import save_model
from streamforest.optional import MissingPackageError
from streamforest.program.options import OPTIONS
from tests.networks import random_model


def test_the_options_offer_what_the_table_has():
    choices = next(option.choices for option in OPTIONS if option.name == "DETECTOR")
    assert choices == (*DETECTORS, "list")


def test_each_detector_bears_the_name_it_is_chosen_by(model, tmp_path):
    path = tmp_path / "forest.joblib"
    save_model(model, path)
    save_lstm(random_model(), tmp_path / "lstm.npz")
    for name, entry in DETECTORS.items():
        if all(find_spec(package) for package in entry.packages):
            assert make_detector(name, DetectorOptions(path, 0.01, lstm_model=tmp_path / "lstm.npz")).name == name


@pytest.mark.parametrize("name", [name for name, entry in DETECTORS.items() if entry.packages])
def test_a_detector_whose_package_is_missing_says_how_to_install_it(name, monkeypatch):
    for package in DETECTORS[name].packages:
        monkeypatch.setitem(sys.modules, package, None)
        monkeypatch.delitem(sys.modules, f"{package}.anomaly", raising=False)
    with pytest.raises(MissingPackageError, match=f"python -m pip install -r streamforest/requirements/{name}.txt"):
        make_detector(name, DetectorOptions(Path("missing.joblib"), 0.01))
    assert (Path(main.__file__).parent / "streamforest" / "requirements" / f"{name}.txt").is_file()


@pytest.mark.parametrize("name", ["isolation-forest", "lstm-autoencoder", "matrix-profile", "z-score"])
def test_the_memory_in_the_table_is_the_size_of_the_record(name):
    size = import_module(f"streamforest.detectors.{name.replace('-', '_')}").RECORD_DTYPE.itemsize
    assert DETECTORS[name].memory == (f"{size / 1000:.0f} KB" if size > 1000 else f"{size / 1000:.1f} KB")


def test_only_a_detector_that_needs_the_model_asks_for_it():
    missing = Path("missing.joblib")
    assert make_detector("z-score", DetectorOptions(missing, 0.01))
    with pytest.raises(ModelError, match=r"missing\.joblib"):
        make_detector("isolation-forest", DetectorOptions(missing, 0.01))
    with pytest.raises(ModelError, match=r"none\.npz.*--detector lstm-autoencoder"):
        make_detector("lstm-autoencoder", DetectorOptions(missing, 0.01, lstm_model=Path("none.npz")))

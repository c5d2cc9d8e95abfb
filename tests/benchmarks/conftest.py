import pytest

from streamforest.models.model_file import save_model
from streamforest.simulation.streams import SimulatedStream, default_profile


@pytest.fixture(scope="session")
def model_path(model, tmp_path_factory):
    file = tmp_path_factory.mktemp("speed") / "forest.joblib"
    save_model(model, file)
    return file


@pytest.fixture(scope="session")
def stream():
    return SimulatedStream(default_profile(), 1).take(5_000)[0]

import pytest

from benchmarks.replay import STAGES, main, make_file, stages
from streamforest.models.model_file import save_model


@pytest.fixture(scope="module")
def path(model, tmp_path_factory):
    file = tmp_path_factory.mktemp("replay") / "forest.joblib"
    save_model(model, file)
    return file


def test_every_stage_of_a_row_is_measured(path, tmp_path):
    make_file(tmp_path / "big.csv", 5_000)
    assert len((tmp_path / "big.csv").read_text().splitlines()) == 5_001
    spent = stages(tmp_path / "big.csv", path)
    assert set(spent) == set(STAGES)
    assert 0.0 < spent["judge"] < sum(spent.values())


def test_each_stage_is_printed_with_its_cost(path, capsys):
    main(["--rows", "3000", "--model", str(path)])
    text = capsys.readouterr().out
    assert all(stage in text for stage in STAGES)

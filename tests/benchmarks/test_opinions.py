import numpy as np
import pytest

from benchmarks import opinions
from benchmarks.boards import Series
from benchmarks.opinions import Count, counted
from streamforest.models.model_file import save_model
from streamforest.protocols import VERDICT_DTYPE

N = 1600


@pytest.fixture
def board(tmp_path):
    """A folder of one series: high spikes are anomalies, lower ones are not; both come in both halves."""
    values = np.random.default_rng(1).normal(20.0, 1.0, N)
    labels = np.zeros(N, int)
    for place in (500, 700, 1100, 1400):
        values[place : place + 2], labels[place : place + 2] = 90.0, 1
    for place in (400, 600, 1000, 1300, 1500):
        values[place] = 33.0
    folder = tmp_path / "made-up"
    folder.mkdir()
    rows = [
        f"{1.7e9 + 900 * k:.0f},{value:.3f},{label}"
        for k, (value, label) in enumerate(zip(values, labels, strict=True))
    ]
    (folder / "a.csv").write_text("\n".join(["timestamp,value,label", *rows, ""]), encoding="utf-8")
    return folder


def test_alarms_count_by_their_first_point_and_windows_by_the_alarms_in_them():
    verdicts = np.zeros(100, VERDICT_DTYPE)
    verdicts["index"] = np.arange(100)
    for number, place in enumerate((10, 60, 80), 1):
        verdicts["is_anomaly"][place : place + 2], verdicts["episode"][place : place + 2] = True, number
    series = Series("a", np.zeros(100), np.full(100, np.nan), (), ((12, 20), (61, 63), (90, 95)))
    assert counted(verdicts, series, 50) == Count(alarms=2, right=1, windows=2, found=1)
    assert Count(4, 1, 2, 1).plus(Count(0, 0, 2, 2)) == Count(4, 1, 4, 3)
    assert (Count(4, 1, 2, 1).precision, Count(4, 1, 2, 1).recall, Count().precision) == (0.25, 0.5, 0.0)


def test_what_is_said_of_the_first_half_drops_the_same_alarms_in_the_second_and_keeps_the_real_ones(
    board, model, tmp_path, capsys
):
    save_model(model, tmp_path / "forest.joblib")
    code = opinions.main([str(board), "--model", str(tmp_path / "forest.joblib"), "--rules"])
    lines = capsys.readouterr().out.splitlines()
    assert "least deviation" in lines[1]
    before, after = (line.split() for line in lines[2:4])
    assert before[:2] == ["made-up", "before"]
    assert float(after[-2]) > float(before[-2])
    assert after[-1] == before[-1] == "1.000"
    assert code == 0


def test_a_folder_that_is_no_board_is_told(tmp_path, capsys):
    assert opinions.main([str(tmp_path)]) == 2
    assert "no CSV file" in capsys.readouterr().err

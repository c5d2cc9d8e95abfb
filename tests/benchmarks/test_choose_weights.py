import numpy as np
import pytest

from benchmarks import choose_weights
from benchmarks.ablation import Weighing, look_at, vectors_of, weighed
from benchmarks.boards import BoardError
from benchmarks.choose_weights import development_boards, simulated_board, weighing_with, weights
from streamforest.judging import evidence


def test_weights_are_changed_in_a_copy_and_nothing_else_is():
    values = simulated_board().series[0].values[:1500]
    parts = look_at(values)
    vectors = vectors_of(parts)
    seen = (parts, vectors, np.zeros(len(vectors)))
    usual = weighed(*seen, Weighing())
    assert weighed(*seen, weighing_with({})).tobytes() == usual.tobytes()
    before = evidence.SHAPE_SHARE
    changed = weighed(*seen, weighing_with({"SHAPE_SHARE": 0.9}))
    assert np.abs(changed - usual).max() > 1e-3
    assert before == evidence.SHAPE_SHARE
    assert weighed(*seen, Weighing()).tobytes() == usual.tobytes()


def test_all_weights_of_the_evidence_are_tried_by_their_names():
    assert "SHAPE_SHARE" in weights()
    assert "HALF" not in weights()
    assert all(getattr(evidence, name) == value for name, value in weights().items())


def test_boards_that_are_kept_back_are_refused(tmp_path, capsys):
    kept_back = tmp_path / "tsb"
    kept_back.mkdir()
    name = "001_Toy_id_1_Sensor_tr_2_1st_3.csv"
    (kept_back / name).write_text("Data,Label\n1,0\n2,0\n3,1\n", encoding="utf-8")
    with pytest.raises(BoardError, match="on NAB and the cloud metrics alone"):
        development_boards(kept_back, kept_back)
    assert choose_weights.main([str(kept_back), str(kept_back)]) == 1
    assert "alone" in capsys.readouterr().err

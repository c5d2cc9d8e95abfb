from benchmarks import detect_limits
from streamforest.models.model_file import save_model


def test_it_prints_the_share_that_was_caught_of_each_kind(model, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(detect_limits, "POINTS", 800)
    save_model(model, tmp_path / "forest.joblib")
    code = detect_limits.main(["--streams", "1", "--model", str(tmp_path / "forest.joblib")])
    lines = capsys.readouterr().out.splitlines()
    share = float(lines[-1].split()[1].rstrip(","))
    assert lines[0].split()[0] == "spike"
    assert code == (0 if 0.85 <= share <= 0.95 else 1)

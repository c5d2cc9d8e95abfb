from benchmarks import crash
from streamforest.models.model_file import save_model


def test_runs_that_are_killed_and_resumed_leave_what_one_run_leaves(model, tmp_path, capsys):
    path = tmp_path / "forest.joblib"
    save_model(model, path)
    options = [f"--option={word}" for word in ("--model", str(path), "--max-points", "6000")]
    assert crash.main(["simulated", "--kills", "3", "--folder", str(tmp_path / "runs"), *options]) == 0
    assert "3 kills in " in capsys.readouterr().out
    out = (tmp_path / "runs" / "simulated" / "run 0" / "out.json").read_bytes()
    assert out.count(b"\n") == 6000


def test_many_streams_can_be_killed_too(model, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(crash, "STREAMS", 5)
    path = tmp_path / "forest.joblib"
    save_model(model, path)
    options = [f"--option={word}" for word in ("--model", str(path), "--max-points", "3000")]
    assert crash.main(["keyed", "--kills", "1", "--folder", str(tmp_path / "runs"), *options]) == 0
    assert "1 kills in " in capsys.readouterr().out
    assert b'{"key":"pump 1",' in (tmp_path / "runs" / "keyed" / "run 0" / "out.json").read_bytes()
    assert (
        b"dropped after their silence" in crash.left_behind(tmp_path / "runs" / "keyed" / "run 0")["counts at the end"]
    )


def test_what_differs_is_named_and_ends_with_exit_code_1(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(crash, "crash", lambda *_: crash.Outcome(1, 2, 1, ["run 0: log.txt"]))
    assert crash.main(["plain", "--folder", str(tmp_path)]) == 1
    assert capsys.readouterr().out.endswith("1 files differ\nplain, run 0: log.txt\n")


def test_a_followed_file_that_is_rotated_can_be_killed_too(model, tmp_path, capsys):
    path = tmp_path / "forest.joblib"
    save_model(model, path)
    options = [f"--option={word}" for word in ("--model", str(path), "--max-points", "6000")]
    assert crash.main(["follow", "--kills", "1", "--folder", str(tmp_path / "runs"), *options]) == 0
    assert "1 kills in " in capsys.readouterr().out
    names = {file.name for file in (tmp_path / "runs" / "follow" / "run 0").iterdir()}
    assert {"in.csv", "in.csv.1", "in.csv.2", "in.csv.3"} <= names

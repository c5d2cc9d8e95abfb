import math

import pytest

from benchmarks import speed
from benchmarks.speed_rounds import Cost


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--rounds", "4"], "--rounds is 4: it must be at least 5"),
        (["--only", "points,speed"], "--only has 'speed', allowed are points, streams, programs, memory, growth"),
        (["--most-streams", "0"], "--most-streams is 0: it must be at least 1"),
    ],
)
def test_a_wrong_command_line_is_refused(words, message, capsys):
    with pytest.raises(SystemExit) as ended:
        speed.main(words)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_a_run_prints_tables_and_writes_csv_and_picture(model_path, tmp_path, monkeypatch, capsys):
    given = []

    def part(run):
        given.append(run)
        yield [Cost("one by one", "StreamDetector.update", math.nan, "us", 4.0, 3.0, 5.0)]

    monkeypatch.setitem(speed.PARTS, "points", part)
    words = ["--model", str(model_path), "--only", "points", "--rows", "1234", "--output", str(tmp_path / "made" / "s")]
    assert speed.main(words) == 0
    assert (given[0].model, given[0].rounds, given[0].rows) == (model_path, 5, 1234)
    said = capsys.readouterr().out
    assert "numpy " in said
    assert "### one by one, us" in said
    assert "### asked and got" in said
    assert "StreamDetector.update,,us,4,3,5" in (tmp_path / "made" / "s.csv").read_text(encoding="utf-8")
    assert (tmp_path / "made" / "s.png").exists()


def test_a_model_that_is_not_there_is_told_in_one_line(tmp_path, capsys):
    assert speed.main(["--model", str(tmp_path / "none.joblib")]) == 1
    assert "there is no model at" in capsys.readouterr().err


def test_only_those_are_measured_whose_packages_are_installed(model_path):
    everybody = speed.one_by_one(model_path)
    assert speed.usable([one._replace(packages=("no-such-package",)) for one in everybody]) == []
    assert speed.usable(everybody)[0].name == "StreamDetector.update"

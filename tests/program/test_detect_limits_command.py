import json
import os

import numpy as np
import pytest

from streamforest.program import cli, detect_limits
from streamforest.program.cli import SHIPPED


def main(*words):
    return cli.main(["detect-limits", *map(str, words)], "streamforest")


@pytest.fixture(autouse=True)
def few_places(monkeypatch):
    """Fewer trials: what is said of them is tested beside this."""
    for name, number in (("PLACES", 10), ("RANK", 9), ("HALVINGS", 5)):
        monkeypatch.setattr(detect_limits, name, number)


@pytest.fixture
def readings(tmp_path):
    path = tmp_path / "readings.csv"
    values = np.random.default_rng(1).normal(size=1000)
    rows = [f"{1_700_000_000 + 60 * at},{value:.3f}" for at, value in enumerate(values.tolist())]
    path.write_text("\n".join(["time,value", *rows, ""]), encoding="utf-8")
    return path


def test_it_says_what_would_be_caught_and_at_which_price(readings, capsys):
    assert main(readings, "--detector", "z-score") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "readings.csv, at an alarm rate of 0.001:"
    assert lines[1].startswith("  spike of ")
    assert ": caught in 9 of 10, at once" in lines[1]
    heads = [line for line in lines if line.startswith("  caught in 9 of 10")]
    assert heads[0].split()[5:] == ["0.001", "0.003", "0.01"]
    assert lines[-1].startswith("  alarms a day")


def test_json_is_an_object_an_alarm_rate_and_the_same_each_time(readings, capsys):
    words = (readings, "--detector", "z-score", "--format", "json", "--seed", "3", "--history", "600")
    assert main(*words) == main(*words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == lines[3:]
    found = [json.loads(line) for line in lines[:3]]
    assert [one["alarm_rate"] for one in found] == [0.001, 0.003, 0.01]
    assert found[0]["points"] == 300


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["cpu"], 2, "needs a history that has an end"),
        (["a.csv", "--detector", "list"], 2, "which judges nothing"),
        (["a.csv", "--tell", "x://y"], 2, "--tell is no option"),
        (["nowhere.csv"], 1, "nowhere.csv"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(words, code, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(*words, "--model", SHIPPED["MODEL"]) == code
    error = capsys.readouterr().err.splitlines()
    assert message in error[-1]


def test_a_short_file_is_named_with_what_is_needed(tmp_path, capsys):
    (tmp_path / "short.csv").write_text("value\n" + "1\n2\n" * 20, encoding="utf-8")
    assert main(tmp_path / "short.csv", "--detector", "z-score") == 1
    assert "it has 40 readings, 500 are needed" in capsys.readouterr().err


def test_of_an_endless_stream_the_first_points_are_the_history(capsys):
    assert main("simulated", "--detector", "z-score", "--history", "600", "--format", "json") == 0
    assert json.loads(capsys.readouterr().out.splitlines()[0])["points"] == 300


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_what_could_go_on_for_ever_is_refused(tmp_path, capsys):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        assert main(path, "--detector", "z-score") == 1
        assert "is no regular file, and could go on for ever" in capsys.readouterr().err

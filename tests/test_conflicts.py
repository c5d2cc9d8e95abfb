import pytest

import main
from streamforest.conflicts import check_conflicts
from streamforest.options import OptionError
from tests.chosen import options_of


@pytest.mark.parametrize(
    "arguments",
    [
        ("--log", "a", "--report", "./a"),
        ("a.csv", "--report", "a.csv"),
        ("--model", "a", "--log", "a"),
        ("a.csv", "--log", "link.csv"),
    ],
)
def test_two_paths_of_one_file_are_refused(tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").touch()
    (tmp_path / "link.csv").hardlink_to(tmp_path / "a.csv")
    with pytest.raises(OptionError, match="choose another one"):
        check_conflicts(options_of(*arguments))


def test_paths_of_different_files_and_no_paths_are_fine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_conflicts(options_of("-", "--log", "a", "--report", "b"))
    check_conflicts(options_of("x" * 10_000, "--log", "none", "--report", "none"))


@pytest.mark.parametrize("source", ["simulated:web", "cpu", "network:eth0", "-"])
def test_a_source_that_is_no_file_shares_no_path(tmp_path, monkeypatch, source):
    monkeypatch.chdir(tmp_path)
    (tmp_path / source).touch()
    check_conflicts(options_of(source, "--report", source, "--log", "none"))
    with pytest.raises(OptionError, match="choose another one"):
        check_conflicts(options_of(f"./{source}", "--report", source, "--log", "none"))


def test_a_followed_file_is_never_written_over(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OptionError, match="that is the file of SOURCE"):
        check_conflicts(options_of("later.csv", "--follow", "--report", "./later.csv"))


def test_an_address_is_no_path_that_must_not_be_written_over(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "price:AAPL").touch()
    check_conflicts(options_of("price:AAPL", "--log", "price:AAPL"))
    with pytest.raises(OptionError, match="choose another one"):
        check_conflicts(options_of("./price:AAPL", "--log", "price:AAPL"))


@pytest.mark.parametrize("source", ["-", "simulated", "simulated:web", "cpu", "disk:sda"])
def test_to_follow_what_is_no_file_ends_with_2_and_one_line(capsys, source):
    assert main.main([source, "--follow"]) == 2
    assert capsys.readouterr().err == (
        f"main.py: --follow is for files, and SOURCE is {source!r}: leave it away, or say --no-follow\n"
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["simulated"], "SOURCE is 'simulated', which has no columns"),
        (["cpu:0"], "SOURCE is 'cpu:0', which has no columns"),
        (["a.csv", "--detector", "z-score"], "DETECTOR is 'z-score': many streams are judged by isolation-forest"),
        (["a.csv", "--compare", "isolation-forest,z-score"], "COMPARE is 'isolation-forest,z-score'"),
        (["a.csv", "--snapshot-on-anomaly"], "SNAPSHOT_ON_ANOMALY is on"),
    ],
)
def test_what_does_not_go_with_many_streams_is_refused_in_one_line(arguments, words, capsys):
    assert main.main([*arguments, "--key-column", "pump"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"main.py: --key-column pump: {words}")
    assert len(err.splitlines()) == 1


def test_dropping_needs_many_streams(capsys):
    assert main.main(["a.csv", "--drop-after", "60"]) == 2
    assert "give --key-column too" in capsys.readouterr().err

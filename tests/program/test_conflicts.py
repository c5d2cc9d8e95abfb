import os
import sys

import pytest

import main
import model_prod
from streamforest.program.conflicts import check_conflicts
from streamforest.program.options import OPTIONS, OptionError
from tests.chosen import options_of

#: Options that name a file; of a folder the pictures and cases in it are opened.
FILES = [one.flag for one in OPTIONS if one.kind == "path" and one.name not in ("IMAGES", "CASE_ON_ANOMALY")]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--log", "a", "--report", "./a"),
        ("a.csv", "--report", "a.csv"),
        ("--model", "a", "--log", "a"),
        ("a.csv", "--log", "link.csv"),
        ("state.1", "--checkpoint", "state"),
        ("--checkpoint", "state", "--report", "state.lock"),
        ("--log", "state.new", "--checkpoint", "state"),
        ("--token-file", "token", "--checkpoint", "token.act"),
        ("--log", "log", "--summary", "log.1"),
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


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("option", FILES)
def test_a_pipe_or_a_device_is_no_file_to_write_or_load(tmp_path, option):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OptionError, match="that is a named pipe, name a file"):
        check_conflicts(options_of(option, str(tmp_path / "pipe")))
    with pytest.raises(OptionError, match="that is a device, name a file"):
        check_conflicts(options_of(option, "/dev/zero"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--time-format", "d:m:y"), "TIME_FORMAT is 'd:m:y': it must be one of dmy"),
        (("--time-zone", "Mars"), "TIME_ZONE is 'Mars': .* is no time zone"),
    ],
)
def test_a_form_or_zone_that_there_is_not_is_refused(arguments, message):
    with pytest.raises(OptionError, match=message):
        check_conflicts(options_of(*arguments))
    check_conflicts(options_of("--time-format", "%d|%m|%Y", "--time-zone", "+02:00"))


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (
            ("--holidays", "DE-BY", "--detector", "z-score"),
            "and DETECTOR is 'z-score': only isolation-forest knows them",
        ),
        (("--holidays", "DE", "--compare", "z-score,matrix-profile"), "and COMPARE is 'z-score,matrix-profile': only"),
        (("--holidays", "US_NY"), "HOLIDAYS is 'US_NY': there are no holidays of it: .*; did you mean US-NY?"),
        (("--holidays", "DE", "--time-zone", "Mars"), "TIME_ZONE is 'Mars'"),
    ],
)
def test_holidays_of_nowhere_or_of_a_detector_that_knows_no_days_are_refused(words, fault):
    pytest.importorskip("holidays", reason="needs streamforest/requirements/holidays.txt")
    with pytest.raises(OptionError, match=fault):
        check_conflicts(options_of(*words))
    check_conflicts(options_of("--holidays", "de-by", "--compare", "z-score,isolation-forest"))
    check_conflicts(options_of("--holidays", "DE", "--detector", "list"))


def test_holidays_without_their_package_are_refused_in_a_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "holidays", None)
    with pytest.raises(
        OptionError, match=r"^HOLIDAYS is 'ES-CT': holidays is not installed; run 'python -m pip install"
    ):
        check_conflicts(options_of("--holidays", "ES-CT"))


@pytest.mark.parametrize("url", ["monitor.example", "ftp://monitor.example", "https://", "https://a.example/?token=x"])
def test_an_address_that_no_browser_could_open_is_refused(url):
    with pytest.raises(OptionError, match="BASE_URL is "):
        check_conflicts(options_of("--base-url", url))
    check_conflicts(options_of("--base-url", "https://monitor.example/pump"))


def test_a_key_without_a_certificate_is_refused():
    with pytest.raises(OptionError, match="so give --tls-cert too"):
        check_conflicts(options_of("--tls-key", "key.pem"))
    check_conflicts(options_of("--tls-cert", "cert.pem", "--tls-key", "key.pem"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("option", ["--log", "--report", "--summary", "--checkpoint", "--token-file"])
def test_what_is_no_file_is_never_written(tmp_path, monkeypatch, option):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    for path, what in (("pipe", "a named pipe"), (".", "a folder"), ("/dev/full", "a device")):
        with pytest.raises(OptionError, match=f"that is {what}, name a file, or none"):
            check_conflicts(options_of(option, path))


def test_a_log_or_report_may_go_to_the_null_device():
    check_conflicts(options_of("--log", os.devnull, "--report", os.devnull + "0"))


def test_a_counter_is_no_gauge():
    with pytest.raises(OptionError, match="COUNTER and GAUGE are on"):
        check_conflicts(options_of("-", "--counter", "--gauge"))
    check_conflicts(options_of("-", "--gauge"))


def test_the_file_of_standard_input_is_not_written(tmp_path, monkeypatch):
    path = tmp_path / "readings.csv"
    path.write_text("1\n2\n", encoding="utf-8")
    with path.open(encoding="utf-8") as file:
        seen = os.fstat
        monkeypatch.setattr(os, "fstat", lambda descriptor: seen(file.fileno() if descriptor == 0 else descriptor))
        for option in ("--report", "--log", "--checkpoint", "--summary"):
            with pytest.raises(OptionError, match="that is the file of standard input"):
                check_conflicts(options_of("-", option, str(path)))
        check_conflicts(options_of("-", "--report", str(tmp_path / "other.csv"), "--log", "none"))
        check_conflicts(options_of("simulated", "--report", str(path), "--log", "none"))  # it is not read


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_trained_model_is_not_written_over_its_readings_nor_to_a_pipe(tmp_path, capsys):
    readings = tmp_path / "readings.csv"
    readings.write_text("1\n2\n", encoding="utf-8")
    (tmp_path / "link.csv").symlink_to(readings)
    for output in (readings, tmp_path / "link.csv"):
        assert model_prod.main(["--train-on", str(readings), "--output", str(output)]) == 2
        assert "that is the file of --train-on, choose another one" in capsys.readouterr().err
    os.mkfifo(tmp_path / "pipe")
    for output, what in ((tmp_path / "pipe", "a named pipe"), ("/dev/zero", "a device"), (tmp_path, "a folder")):
        assert model_prod.main(["--output", str(output)]) == 2
        assert f"that is {what}, name a file" in capsys.readouterr().err
    assert readings.read_text(encoding="utf-8") == "1\n2\n"


def test_a_maintenance_window_that_is_none_and_what_does_not_go_with_one_is_refused(tmp_path):
    check_conflicts(options_of("-", "--ignore", "daily 02:00-03:00", "--ignore", "2026-03-01/2026-03-02"))
    with pytest.raises(OptionError, match="IGNORE: 'sometimes' is no maintenance window: write 2026"):
        check_conflicts(options_of("-", "--ignore", "sometimes"))
    for words in (("--compare", "z-score,matrix-profile"), ("--refits", str(tmp_path / "refits"))):
        with pytest.raises(OptionError, match="does not go together with"):
            check_conflicts(options_of("-", "--ignore", "daily 02:00-03:00", *words))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--view", "window"], "SOURCE is 'serve' and VIEW is 'window'"),
        (["--no-visualization"], "SOURCE is 'serve' and VISUALIZATION is off"),
        (["--explain"], "EXPLAIN is on"),
    ],
)
def test_what_is_served_needs_its_page(capsys, arguments, words):
    assert main.main(["serve", *arguments]) == 2
    assert words in capsys.readouterr().err

import json
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from csv import DictReader
from datetime import UTC, datetime
from html import unescape
from importlib.util import find_spec
from itertools import cycle, pairwise
from pathlib import Path

import numpy as np
import pytest

import main
from streamforest.detectors import DETECTORS
from streamforest.detectors.isolation_forest import StreamDetector
from streamforest.models.model_file import save_model
from streamforest.program import interaction, training
from streamforest.protocols import Verdict
from streamforest.sinks.terminal import json_lines
from streamforest.storage.checkpoint import CheckpointFile
from tests import programs
from tests.chosen import options_of

PROJECT = Path(main.__file__).parent
QUICK = {
    "TREES": 10,
    "FIT_STREAMS": 20,
    "FIT_POINTS": 500,
    "CALM_STREAMS": 20,
    "CALM_POINTS": 500,
    "CHECK_STREAMS": 5,
    "CHECK_POINTS": 1000,
    "CHECK_OUTLIERS": 0.1,
}
needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full: Linux")
needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc: Linux")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model trained in a hurry, in the real format."""
    path = tmp_path_factory.mktemp("model") / "forest.joblib"
    with pytest.MonkeyPatch.context() as patch:
        for name, number in QUICK.items():
            patch.setattr(training, name, number)
        save_model(training.train(1, 0.01)[0], path)
    return path


@pytest.fixture
def start(model, tmp_path):
    """Start main.py as a user does, in a folder of its own; what is left running is ended."""
    begun = []

    def start(*arguments, script=PROJECT / "main.py", cwd=tmp_path, begin=programs.started, **options):
        clean = {k: v for k, v in os.environ.items() if k not in {"FORCE_COLOR", "NO_COLOR"}}
        command = [sys.executable, script, "--no-visualization", "--model", model, "--log", "none", *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL, **options}
        process = begin([str(word) for word in command], cwd=cwd, env=clean, text=True, **pipes)
        begun.append(process)
        return process

    yield start
    for process in begun:
        with process:
            process.kill()


@pytest.fixture
def run_apart(start):
    """Run main.py as a program of its own to its end: exit code, standard output, standard error."""

    def run(*arguments, **options):
        process = start(*arguments, **options)
        out, err = process.communicate(timeout=120)
        assert "Traceback" not in err
        assert "Exception ignored" not in err
        return process.returncode, out, err

    return run


@pytest.fixture
def run(model, tmp_path, monkeypatch, capfd):
    """The same in this process, which spares the second that a program takes to load."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        words = ["--no-visualization", "--model", model, "--log", "none", *arguments]
        code = main.main([str(word) for word in words])
        return code, *capfd.readouterr()

    return run


@pytest.fixture
def csv(tmp_path):
    path = tmp_path / "readings.csv"
    rows = [f"2024-05-01T{i // 60:02}:{i % 60:02}:00Z,{100 if i == 300 else i % 24 + i % 7 / 10}" for i in range(600)]
    path.write_text("\n".join(["time,value", *rows, ""]), encoding="utf-8")
    return path


def test_json_is_one_object_a_point_and_nothing_else(run_apart):
    code, out, err = run_apart("--max-points", 500, "--delay", 0, "--format", "json")
    objects = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [found["index"] for found in objects] == list(range(500))
    assert {tuple(found) for found in objects} == {Verdict._fields}
    assert "500 in" in err


def test_a_run_imports_nothing_heavy_that_it_does_not_need(model):
    words = [sys.executable, "-X", "importtime", PROJECT / "main.py", "-", "--no-visualization", "--model", model]
    words += ["--log", "none", "--format", "json"]
    for _ in range(2):  # the first one may have to compile
        run = subprocess.run(
            list(map(str, words)), input="1\n2\n", capture_output=True, text=True, timeout=120, check=True
        )
    imported = {line.rpartition("|")[2].strip() for line in run.stderr.splitlines() if line.startswith("import time:")}
    assert {"numpy", "numba", "streamforest.reading.line_reader"} <= imported
    heavy = ["sklearn", "joblib", "matplotlib", "tornado", "pandas", "scipy.linalg"]
    if find_spec("coverage") is None:  # numba imports it where it is there, and it imports this
        heavy.append("multiprocessing")
    assert not [name for name in imported if name.startswith(tuple(heavy))]
    assert len(run.stdout.splitlines()) == 2


def test_a_file_gives_the_same_bytes_from_any_folder_and_through_a_pipe(run_apart, csv, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    options = ("--delay", 0, "--format", "json")
    code, first, _ = run_apart(csv.name, *options)
    assert (code, len(first.splitlines())) == (0, 600)
    assert run_apart(Path("..") / csv.name, *options, cwd=tmp_path / "elsewhere")[1] == first
    with csv.open(encoding="utf-8") as file:
        assert run_apart("-", *options, stdin=file)[1] == first


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--delay", "-1"], "main.py: --delay is '-1': it must be a number from 0 to 3600 (seconds)\n"),
        (
            ["--log", "one", "--report", "one"],
            "main.py: REPORT is 'one': that is the file of LOG, choose another one\n",
        ),
    ],
)
def test_a_wrong_command_line_ends_with_2_and_one_line(run_apart, arguments, message):
    assert run_apart(*arguments) == (2, "", message)


@pytest.fixture
def rough(tmp_path):
    """Ten days, a point a quarter of an hour, with one in ten far up or down."""
    path = tmp_path / "rough.csv"
    rng = random.Random(1)
    rows = [
        f"{1.7e9 + 900 * i:.0f},{100 + rng.gauss(0, 1) + (rng.choice([-50, -8, 8, 50]) if rng.random() < 0.1 else 0)}"
        for i in range(960)
    ]
    path.write_text("\n".join(["time,value", *rows, ""]), encoding="utf-8")
    return path


@pytest.fixture
def anomalies(run, rough):
    """Judge the rough file under alarm rules: its anomalous points, and standard error."""

    def anomalies(*rules, source=rough, **options):
        common = ("--delay", 0, "--format", "json", "--detector", "z-score", "--alarm-rate", 0.05)
        code, out, err = run(source, *common, *rules, **options)
        assert code == 0
        found = [json.loads(line) for line in out.splitlines()]
        return [point for point in found if point["is_anomaly"]], err

    return anomalies


@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        (("--direction", "up"), lambda off, _: off > 0),
        (("--direction", "down"), lambda off, _: off < 0),
        (("--minimum-deviation", 20), lambda off, _: abs(off) >= 20),
        (("--minimum-deviation-percent", "20"), lambda off, expected: abs(off) >= 0.2 * expected),
    ],
    ids=["up", "down", "deviation", "percent"],
)
def test_a_rule_takes_away_the_alarms_that_are_not_wanted_and_no_other(anomalies, rule, holds):
    free, _ = anomalies()
    kept, _ = anomalies(*rule)
    wanted = [point for point in free if holds(point["value"] - point["expected"], point["expected"])]
    assert [point["index"] for point in kept] == [point["index"] for point in wanted]
    assert 0 < len(kept) < len(free)


def test_no_more_episodes_begin_in_a_day_than_asked_for(anomalies):
    found, err = anomalies("--alarms-a-day", 2, "--cool-down", 0)
    starts = {point["episode"]: datetime.fromtimestamp(point["time"], UTC).date() for point in reversed(found)}
    assert max(Counter(starts.values()).values()) == 2
    assert len(starts) > 10
    assert "asked for at most 2 alarms a day" in err
    assert "no time" not in err


def test_alarms_a_day_without_times_are_told_once_and_the_alarm_rate_decides(anomalies, rough, tmp_path):
    values = tmp_path / "values.csv"
    values.write_text(
        "\n".join(line.split(",")[1] for line in rough.read_text(encoding="utf-8").splitlines()), encoding="utf-8"
    )
    found, err = anomalies("--alarms-a-day", 2, source=values)
    free, _ = anomalies(source=values)
    assert found == free
    said = "the first point has no time: --alarms-a-day 2 needs times, until there are some --alarm-rate 0.05 decides\n"
    assert err.count(said) == 1
    assert "asked for 0.05" in err


@pytest.mark.parametrize("cool_down", [0, 5, 100_000])
def test_the_log_has_one_start_an_episode_whatever_the_cool_down(anomalies, tmp_path, cool_down):
    found, err = anomalies("--cool-down", cool_down, "--log", "events.log")
    indices = [point["index"] for point in found]
    episodes = 1 + sum(b - a > cool_down + 1 for a, b in pairwise(indices))
    log = (tmp_path / "events.log").read_text(encoding="utf-8")
    assert log.count(" start episode=") == log.count(" end episode=") == found[-1]["episode"] == episodes
    assert f"{len(found)} points in {episodes} episode" in err


@pytest.mark.parametrize(
    ("flag", "value", "allowed"),
    [
        ("--direction", "sideways", "one of both, up, down"),
        ("--minimum-deviation", "-0.5", "a number at least 0 (in the stream's unit)"),
        ("--minimum-deviation", "inf", "a number at least 0 (in the stream's unit)"),
        ("--minimum-deviation-percent", "much", "a number at least 0 (percent)"),
        ("--alarms-a-day", "0", "a number from 0.001 to 1000 or None (alarms a day)"),
        ("--alarms-a-day", "1001", "a number from 0.001 to 1000 or None (alarms a day)"),
        ("--cool-down", "-1", "a whole number from 0 to 100000 (points)"),
        ("--cool-down", "100001", "a whole number from 0 to 100000 (points)"),
    ],
)
def test_a_wrong_rule_ends_with_2_and_names_value_and_range(run, flag, value, allowed):
    assert run(flag, value) == (2, "", f"main.py: {flag} is '{value}': it must be {allowed}\n")


def test_a_source_is_never_written_over(run, csv, tmp_path):
    before = csv.read_bytes()
    code, _, err = run(csv.name, "--report", tmp_path / "." / csv.name)
    assert (code, len(err.splitlines()), csv.read_bytes()) == (2, 1, before)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("DELAY = (", "main.py: settings.py cannot be read: "),
        ("DELAY = nothing", "main.py: settings.py cannot be read: name 'nothing' is not defined"),
        ("DELAY = 1 / 0", "main.py: settings.py cannot be read: division by zero"),
        ("DELAY = 'x'", "main.py: DELAY in settings.py is 'x': it must be a number from 0 to 3600 (seconds)"),
        ("DELLAY = 1", "main.py: DELLAY in settings.py is no setting; did you mean DELAY?"),
    ],
)
def test_a_wrong_settings_file_ends_with_2_and_one_line(run_apart, tmp_path, line, message):
    project = tmp_path / "project"
    project.mkdir()
    shutil.copy(PROJECT / "main.py", project)
    shutil.copy(PROJECT / "anomaly.py", project)
    shutil.copytree(PROJECT / "streamforest", project / "streamforest", ignore=shutil.ignore_patterns("__pycache__"))
    settings = (PROJECT / "settings.py").read_text(encoding="utf-8")
    (project / "settings.py").write_text(f"{settings}\n{line}\n", encoding="utf-8")
    code, out, err = run_apart(script=project / "main.py")
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert err.startswith(message)


def test_a_model_that_is_not_there_ends_with_1_and_says_what_to_do(run, tmp_path):
    code, out, err = run("--model", tmp_path / "none.joblib")
    assert (code, out, len(err.splitlines())) == (1, "", 1)
    assert "python model_prod.py" in err


def test_a_source_that_is_not_there_ends_with_1_and_one_line(run):
    code, out, err = run("nowhere.csv")
    assert (code, out, len(err.splitlines())) == (1, "", 1)
    assert "nowhere.csv" in err


def test_a_source_of_which_nothing_can_be_read_ends_with_1_and_names_its_columns(run, tmp_path):
    (tmp_path / "words.csv").write_text("value,other\n" + "x,1\n" * 200, encoding="utf-8")
    code, _, err = run("words.csv", "--delay", 0)
    assert code == 1
    assert "first 100 readings were all refused" in err
    assert "other" in err


def test_a_reader_that_goes_away_ends_the_run_quietly(start):
    process = start("--delay", 0, "--format", "json")
    assert json.loads(process.stdout.readline())["index"] == 0
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(timeout=30) == 0


def test_help_into_a_pipe_that_is_closed_is_quiet(start):
    process = start("--help")
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(timeout=30) == 0


@needs_full
def test_a_full_disk_behind_standard_output_is_told_once_and_the_log_goes_on(run_apart, csv, tmp_path):
    with open("/dev/full", "w", encoding="utf-8") as full:  # noqa: PTH123 - a device
        code, _, err = run_apart(csv.name, "--delay", 0, "--log", "events.log", "--alarm-rate", 0.01, stdout=full)
    assert code == 0
    assert err.count("standard output failed, the run goes on without it: No space left on device") == 1
    assert "600 in" in err
    assert "start episode=1" in (tmp_path / "events.log").read_text(encoding="utf-8")


@needs_full
def test_a_full_disk_behind_standard_error_changes_nothing(start, csv):
    with open("/dev/full", "w", encoding="utf-8") as full:  # noqa: PTH123 - a device
        process = start(csv.name, "--delay", 0, stderr=full)
        out, _ = process.communicate(timeout=60)
    assert (process.returncode, len(out.splitlines())) == (0, 601), "a header, and a line a point"


def test_a_log_and_a_report_that_cannot_be_opened_are_told_and_the_run_goes_on(run, csv):
    code, out, err = run(csv.name, "--delay", 0, "--log", "gone/a.log", "--report", "gone/a.csv")
    assert (code, len(out.splitlines())) == (0, 601)
    assert "no log, the run goes on without it: gone" in err
    assert "no report, the run goes on without it: gone" in err


def test_the_report_has_the_points_that_quiet_shows(run, csv, tmp_path):
    _, out, _ = run(csv.name, "--delay", 0, "--format", "quiet", "--report", "report.csv", "--alarm-rate", 0.01)
    rows = (tmp_path / "report.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == len(out.splitlines()) + 1
    assert len(rows) > 1


def test_a_line_on_standard_input_is_judged_when_it_comes(start):
    process = start("-", "--format", "json", stdin=subprocess.PIPE)
    for value in (1.5, 2.5):
        process.stdin.write(f"{value}\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["value"] == value
    process.stdin.close()
    assert process.wait(timeout=30) == 0


def wait_for_handlers(process):
    """Wait until main.py has taken SIGTERM over, a few milliseconds after Python's own start."""
    status = Path(f"/proc/{process.pid}/status")
    ends = time.monotonic() + 20
    while time.monotonic() < ends:
        caught = next(line for line in status.read_text().splitlines() if line.startswith("SigCgt:"))
        if int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1:
            return
    pytest.fail("no handler within 20 s")


@needs_proc
@pytest.mark.parametrize(
    ("after", "number"),  # both signals have one handler: they take turns
    [*zip((0.0, 0.02, 0.1, 0.2, 0.3, 0.5, 0.8, 1.5), cycle((signal.SIGINT, signal.SIGTERM)), strict=False)],
)
def test_a_signal_at_any_moment_ends_the_run_within_a_second_with_0(start, after, number):
    process = start("--format", "json", "--delay", 0.01, stdout=subprocess.DEVNULL, begin=subprocess.Popen)
    wait_for_handlers(process)
    time.sleep(after)  # the moment is what is tested
    process.send_signal(number)
    sent = time.monotonic()
    _, err = process.communicate(timeout=20)
    assert time.monotonic() - sent < 1
    assert process.returncode == 0
    assert err == "stopped before the first point\n" or "alarm rate" in err
    assert "Traceback" not in err


@needs_proc
@pytest.mark.parametrize("arguments", [("--delay", 3600), ("-",)], ids=["between two points", "waiting for input"])
def test_a_signal_ends_any_wait(start, arguments):
    process = start("--format", "json", *arguments, stdin=subprocess.PIPE)
    if arguments == ("-",):
        process.stdin.write("1\n")
        process.stdin.flush()
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    sent = time.monotonic()
    process.wait(timeout=20)
    assert time.monotonic() - sent < 1
    assert process.returncode == 0
    assert "1 in" in process.stderr.read()


@needs_proc
def test_many_signals_are_as_good_as_one(start):
    process = start("--format", "json", "--delay", 0)
    process.stdout.readline()
    for _ in range(50):
        process.send_signal(signal.SIGTERM)
        if process.poll() is not None:
            break
    _, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert err.count("alarm rate") == 1
    assert "Traceback" not in err


def test_an_unknown_profile_ends_with_1_and_names_the_ones_there_are(run):
    code, out, err = run("simulated:stocks")
    assert (code, out) == (1, "")
    assert err == ("main.py: there is no simulated profile 'stocks'; there are sensor, server, payments, energy, web\n")


def test_a_profile_has_times_and_labels(run):
    code, out, _ = run("simulated:energy", "--max-points", 300, "--delay", 0, "--format", "json")
    points = [json.loads(line) for line in out.splitlines()]
    assert (code, len(points)) == (0, 300)
    assert {b["time"] - a["time"] for a, b in pairwise(points)} == {900}
    assert {"normal", "dip"} <= {point["label"] for point in points}


def test_the_machine_is_watched_at_the_interval_asked_for(run):
    pytest.importorskip("psutil")
    code, out, _ = run("cpu", "--interval", 0.05, "--max-points", 10, "--format", "json")
    points = [json.loads(line) for line in out.splitlines()]
    assert (code, len(points)) == (0, 10)
    assert points[-1]["time"] - points[0]["time"] > 0.4
    assert abs(points[-1]["time"] - time.time()) < 60


def test_a_file_is_followed_until_ctrl_c(start, tmp_path):
    path = tmp_path / "growing.csv"
    process = start("growing.csv", "--follow", "--format", "json", "--delay", 60)
    assert process.stderr.readline() == "growing.csv is not there yet: waiting for it\n"
    with path.open("w", encoding="utf-8") as file:
        for value in (1.5, 2.5):
            file.write(f"{value}\n")
            file.flush()
            assert json.loads(process.stdout.readline())["value"] == value
    process.send_signal(signal.SIGINT)
    sent = time.monotonic()
    _, err = process.communicate(timeout=20)
    assert time.monotonic() - sent < 1
    assert process.returncode == 0
    assert "2 in" in err


def test_without_a_display_and_anybody_to_open_a_page_it_is_told_in_one_line_and_the_run_goes_on(
    run_apart, monkeypatch
):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    code, out, err = run_apart("--visualization", "--view", "auto", "--max-points", 20, "--delay", 0)
    assert (code, len(out.splitlines())) == (0, 21)
    if sys.platform == "linux":
        assert err.startswith("view: none; no display (DISPLAY is not set), and nobody is at the terminal")


def test_a_picture_is_saved_when_an_episode_ends_without_any_view(run_apart, csv, tmp_path):
    code, out, _ = run_apart(
        *(csv.name, "--delay", 0, "--format", "quiet", "--alarm-rate", 0.01),
        *("--minimum-deviation", 50, "--snapshot-on-anomaly", "--images", "pictures"),
    )
    assert code == 0
    assert len(out.splitlines()) == 1
    assert [path.suffix for path in (tmp_path / "pictures").iterdir()] == [".png"]


def test_nobody_to_ask_for_a_picture_means_no_thread_and_no_matplotlib(run_apart, tmp_path):
    script = tmp_path / "check.py"
    script.write_text(
        "import sys, threading\n"
        f"sys.path.insert(0, {str(PROJECT)!r})\n"
        "import main\n"
        "code = main.main(sys.argv[1:])\n"
        "assert not {'matplotlib', 'streamforest.program.watch'} & set(sys.modules)\n"
        "sys.exit(code)\n",
        encoding="utf-8",
    )
    code, out, _ = run_apart("--max-points", 20, "--delay", 0, script=script)
    assert (code, len(out.splitlines())) == (0, 21)


def test_the_detectors_that_there_are_can_be_listed(capsys):
    assert main.main(["--detector", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["name", *DETECTORS]
    assert all(len(line) <= 120 for line in lines)


@pytest.mark.parametrize("names", ["z-score", "z-score,z-score", "z-score,nonsense", "", "list,z-score"])
def test_detectors_to_compare_must_be_several_known_and_different_ones(names, run):
    code, out, err = run("--compare", names, "--max-points", 5)
    assert (code, out) == (2, "")
    assert "COMPARE" in err.upper()
    assert len(err.splitlines()) == 1


def test_compared_detectors_judge_along_and_the_agreement_is_told_and_reported(run, tmp_path):
    report = tmp_path / "report.csv"
    common = ("--max-points", 3000, "--delay", 0, "--format", "json", "--alarm-rate", 0.05)
    _, alone, _ = run(*common, "--detector", "z-score")
    code, out, err = run(*common, "--compare", "z-score, isolation-forest", "--report", report)
    assert code == 0
    assert out == alone, "the first one decides as it does alone"
    assert "agreement: [1] decides" in err
    assert [line.split()[1] for line in err.splitlines()[-2:]] == ["z-score", "isolation-forest"]
    rows = list(DictReader(report.read_text().splitlines()))
    assert {row["flagged_by"] for row in rows} == {"z-score", "isolation-forest", "z-score isolation-forest"}
    assert all((row["is_anomaly"] == "True") == ("z-score" in row["flagged_by"]) for row in rows)
    table = list(DictReader((tmp_path / "report-agreement.csv").read_text().splitlines()))
    assert [row["detector"] for row in table] == ["z-score", "isolation-forest"]
    assert int(table[1]["flagged points"]) == sum("isolation-forest" in row["flagged_by"] for row in rows)
    assert {"precision", "recall", "F1"} <= set(table[0])


def test_a_command_is_run_once_an_episode_and_standard_output_stays_json(run, csv, tmp_path):
    command = shlex.join(
        [sys.executable, "-c", "import sys; open('reported', 'a').write(sys.stdin.read()); print('hello')"]
    )
    code, out, err = run(*(csv.name, "--delay", 0, "--format", "json", "--alarm-rate", 0.01), "--on-anomaly", command)
    points = [json.loads(line) for line in out.splitlines()]
    starts = {point["episode"]: point for point in reversed(points) if point["is_anomaly"]}
    said = [json.loads(line) for line in (tmp_path / "reported").read_text(encoding="utf-8").splitlines()]
    assert (code, len(points)) == (0, 600)
    assert said == [starts[number] for number in sorted(starts)]
    assert err.count("hello\n") == len(said) > 0


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("no-such-program x", "there is no program 'no-such-program'; install it or give its path (no shell is used)"),
        ("'x", "a quotation mark or backslash is left open (No closing quotation)"),
    ],
)
def test_a_command_that_cannot_be_run_ends_with_2_and_one_line(run, command, message):
    assert run("--on-anomaly", command) == (2, "", f"main.py: ON_ANOMALY is {command!r}: {message}\n")


def test_the_token_of_the_page_is_kept_in_a_file_and_opens_its_numbers(start, tmp_path):
    process = start("--visualization", "--view", "browser", "--token-file", "token", "--delay", 0.01)
    page = next(line for line in process.stderr if line.startswith("page: "))
    looking = next(line for line in process.stderr if line.startswith("page to look at only: "))
    token = (tmp_path / "token").read_text(encoding="utf-8").strip()
    assert page.strip().endswith("?token=" + (tmp_path / "token.act").read_text(encoding="utf-8").strip())
    assert looking.strip().endswith(f"?token={token}")
    address = page.removeprefix("page: ").partition("?")[0] + "metrics"
    request = urllib.request.Request(address, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert b"\nstreamforest_points_total " in answer.read()


def test_a_token_file_that_holds_none_is_told_and_the_run_goes_on_without_a_page(run_apart, tmp_path):
    (tmp_path / "notes").write_text("mine\n", encoding="utf-8")
    options = ("--visualization", "--view", "browser", "--token-file", "notes", "--max-points", 20, "--delay", 0)
    code, out, err = run_apart(*options)
    assert (code, len(out.splitlines())) == (0, 21)
    assert "view: none; no page for the browser: notes holds no token" in err
    assert (tmp_path / "notes").read_text(encoding="utf-8") == "mine\n"


def test_the_summary_is_written_at_the_end_without_any_view(run, csv, tmp_path):
    code, out, err = run(
        *(csv.name, "--delay", 0, "--format", "json", "--alarm-rate", 0.01),
        *("--summary", "page.html", "--on-anomaly", "true the-secret"),
    )
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert (code, len(out.splitlines())) == (0, 600)
    assert err.endswith("summary written: page.html\n")
    assert "All 600 points" in page
    assert "all points judged" in page
    assert "--summary page.html</code>" in page
    assert "the-secret" not in page
    assert "<th scope=row>ON_ANOMALY</th><td>true ***</td>" in page
    understood = next(line for line in err.splitlines() if line.startswith("readings.csv: value "))
    form = understood.removeprefix("readings.csv: ").partition(" (otherwise: ")[0]
    assert form.endswith("first time 2024-05-01T00:00:00Z, usually every 60 s")
    assert form in unescape(page)


@needs_proc
def test_the_summary_is_written_when_the_user_stops_the_run(start, tmp_path):
    process = start("--summary", "page.html", "--delay", 0.01, "--format", "json")
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert "stopped by the user" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_the_summary_of_a_run_that_failed_says_so(run, tmp_path):
    (tmp_path / "words.csv").write_text("value,other\n" + "x,1\n" * 200, encoding="utf-8")
    code, _, _ = run("words.csv", "--delay", 0, "--summary", "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert code == 1
    assert "failed: words.csv: the first 100 readings were all refused" in page
    assert "No point was judged." in page


def test_a_summary_that_cannot_be_written_is_told_before_the_run(run):
    code, _, err = run("--summary", "gone/page.html", "--max-points", 20, "--delay", 0)
    assert code == 0
    assert err.startswith("no summary, the run goes on without it: gone/page.html: No such file or directory\n")


def test_a_password_in_the_source_is_in_no_picture_and_in_no_message(run):
    word = "mqtt://ann:se:cr%40et@127.0.0.1:1/a"
    texts = interaction.picture_texts(options_of(word))
    assert texts["Source"] == "mqtt://***@127.0.0.1:1/a"
    assert "SOURCE=mqtt://***@127.0.0.1:1/a" in texts["Settings"]
    assert "cr%40et" not in "".join(texts.values())
    code, _, err = run("mqtx" + word[4:])
    assert code == 1
    assert err.startswith("main.py: there is no source 'mqtx'")
    assert "cr" not in err


@pytest.fixture
def pumps(tmp_path):
    """Rows of streams of different size and pace, mixed at random, each with its spikes; what each has alone."""
    rng, alone, whose = random.Random(3), {}, []
    for k, key in enumerate(("pump 1", "=2+3", "Gerät", "slow")):
        n = 60 if key == "slow" else 400
        rows = [
            (1.7e9 + 60 * i + 7 * k, 10.0**k * (3 + rng.gauss(0, 0.1) + 2 * (rng.random() < 0.02))) for i in range(n)
        ]
        alone[key] = rows
        whose += [key] * n
    rng.shuffle(whose)
    left = {key: iter(rows) for key, rows in alone.items()}
    mixed = [(key, *next(left[key])) for key in whose]
    path = tmp_path / "pumps.csv"
    path.write_text("".join(["pump,time,value\n", *(f"{k},{t:.0f},{v!r}\n" for k, t, v in mixed)]), encoding="utf-8")
    return path, alone


def test_of_many_streams_each_is_judged_to_the_bits_of_a_run_of_its_own(run, pumps, model, tmp_path):
    path, alone = pumps
    common = ("--delay", 0, "--format", "json", "--alarm-rate", 0.01)
    outputs = ("--log", "events.log", "--report", "report.csv", "--summary", "page.html")
    code, out, err = run(path, "--key-column", "pump", *common, *outputs)
    assert code == 0
    assert "   streams  4\n" in err
    found = {key: [] for key in alone}
    for line in out.splitlines():
        point = json.loads(line)
        found[point.pop("key")].append(point)
    for key, rows in alone.items():
        (tmp_path / "one.csv").write_text(
            "time,value\n" + "".join(f"{t:.0f},{v!r}\n" for t, v in rows), encoding="utf-8"
        )
        if key == "Gerät":  # through the command line
            text = run("one.csv", *common)[1]
        else:
            times, values = np.array([(round(time), value) for time, value in rows], dtype=float).T
            text = json_lines(StreamDetector.load(model, 0.01).update_many(values, times))
        assert found[key] == [json.loads(line) for line in text.splitlines()]
    flagged = {key: [point["index"] for point in points if point["is_anomaly"]] for key, points in found.items()}
    assert sum(map(len, flagged.values())) > 10
    rows = list(DictReader((tmp_path / "report.csv").read_text(encoding="utf-8").splitlines()))
    for key, indices in flagged.items():
        shown = "'=2+3" if key == "=2+3" else key
        assert [int(row["index"]) for row in rows if row["key"] == shown] == indices
    log = (tmp_path / "events.log").read_text(encoding="utf-8").splitlines()
    for key, points in found.items():
        starts = [line for line in log if f" start key={key!r} " in line]
        assert len(starts) == len({point["episode"] for point in points if point["is_anomaly"]})
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "The worst streams" in page
    assert "=2+3" in page


def test_a_silent_stream_begins_anew_and_refusals_have_reasons(run, tmp_path):
    rows = ["time,id,value", "0,a,1", "0,b,1", "5,,1", "50,b,2", "140,b,3", "141,a,4", "-5,b,5"]
    rows += ["300,c,1", "300,d,1", "300,e,1", ""]
    (tmp_path / "ids.csv").write_text("\n".join(rows), encoding="utf-8")
    options = ("--key-column", "id", "--column", "value", "--drop-after", 100, "--delay", 0, "--format", "json")
    code, out, err = run("ids.csv", *options)
    points = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [f"{point['key']}{point['index']}" for point in points] == ["a0", "b0", "b1", "b2", "a0", "c0", "d0", "e0"]
    assert "refused reading 3: it has no key" in err
    assert "refused reading 7: time '-5' goes back" in err
    assert "   streams  3, 2 dropped after their silence\n" in err


def test_a_run_that_was_stopped_goes_on_and_leaves_what_one_run_leaves(start, run_apart, csv, tmp_path):
    options = ("--format", "json", "--alarm-rate", 0.01, "--report", "report.csv")
    whole = tmp_path / "whole"
    whole.mkdir()
    _, expected, _ = run_apart(csv, *options, "--log", "log.txt", "--delay", 0, cwd=whole)
    kept = (csv, *options, "--log", "log.txt", "--checkpoint", "kept")
    out = tmp_path / "out.json"
    with out.open("ab") as stream:
        first = start(*kept, "--delay", 0.005, stdout=stream)
        deadline = time.monotonic() + 60
        while out.stat().st_size < 9000 and time.monotonic() < deadline:
            time.sleep(0.01)
        first.send_signal(signal.SIGTERM)
        assert first.wait(60) == 0
    assert 0 < out.read_bytes().count(b"\n") < 600
    with out.open("ab") as stream:
        code, _, err = run_apart(*kept, "--delay", 0, stdout=stream)
    assert (code, out.read_text(encoding="utf-8")) == (0, expected)
    assert "going on from the checkpoint kept at point " in err
    assert "    points  600 in " in err
    for name in ("log.txt", "report.csv"):
        assert (tmp_path / name).read_bytes() == (whole / name).read_bytes()


def without_seconds(err):
    """What a run says at its end, as far as it does not depend on how long it took."""
    lines = [line.partition(" in ")[0] if "  points  " in line else line for line in err.splitlines()]
    return [line for line in lines if line.startswith("  ") or line.startswith("alarm rate")]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL: not on Windows")
def test_a_run_over_many_streams_that_is_killed_again_and_again_leaves_what_one_run_leaves(
    start, run, run_apart, tmp_path
):
    rng, rows = random.Random(5), ["time,pump,value,label"]
    for i in range(6000):
        key = (i // 2000 * 2 + rng.randrange(4)) % 7  # streams fall silent, others come
        value, is_odd = rng.gauss(10.0 * key, 1.0), rng.random() < 0.02
        rows.append(f"{1_700_000_000 + 20 * i},pump {key},{value + 30 * is_odd:.3f},{int(is_odd)}")
    (tmp_path / "pumps.csv").write_text("\n".join([*rows, ""]), encoding="utf-8")
    keyed = (tmp_path / "pumps.csv", "--key-column", "pump", "--drop-after", 7200, "--format", "json")
    options = (*keyed, "--alarm-rate", 0.01, "--report", "report.csv", "--log", "log.txt")
    whole = tmp_path / "whole"
    whole.mkdir()
    _, expected, err_of_whole = run_apart(*options, "--delay", 0, cwd=whole)
    kept = (*options, "--checkpoint", "kept", "--checkpoint-every", 0.02)
    out = tmp_path / "out.json"
    for size in (1_000, 150_000, 400_000):  # of the output, from which on the run is killed
        with out.open("ab") as stream:
            process = start(*kept, "--delay", 0.0005, stdout=stream, stderr=subprocess.DEVNULL)
            deadline = time.monotonic() + 60
            while out.stat().st_size < size and time.monotonic() < deadline:
                time.sleep(0.005)
            process.send_signal(signal.SIGKILL)
            assert process.wait(60) == -signal.SIGKILL
    assert 1000 < out.read_bytes().count(b"\n") < 6000
    with out.open("ab") as stream:
        code, _, err = run_apart(*kept, "--delay", 0, stdout=stream)
    assert (code, out.read_text(encoding="utf-8")) == (0, expected)
    assert "going on from the checkpoint kept at point " in err
    assert without_seconds(err) == without_seconds(err_of_whole)
    assert "dropped after their silence" in err
    for name in ("log.txt", "report.csv"):
        assert (tmp_path / name).read_bytes() == (whole / name).read_bytes()
    code, _, err = run(*kept[:2], "value", *kept[3:])
    assert (code, err.partition(";")[0]) == (
        2,
        "main.py: the checkpoint kept is one of another run: KEY_COLUMN was pump and is value",
    )
    code, _, err = run(tmp_path / "pumps.csv", "--checkpoint", "kept")
    assert code == 2
    assert "KEY_COLUMN was pump and is None; DROP_AFTER was 7200.0 and is None" in err


def test_a_checkpoint_of_another_run_or_one_in_use_is_refused_in_one_line(run_apart, tmp_path):
    options = ("--detector", "z-score", "--delay", 0, "--format", "quiet", "--checkpoint", "kept")
    assert run_apart(*options, "--max-points", 100)[0] == 0
    code, out, err = run_apart(*options, "--max-points", 150)
    assert (code, out) == (0, "")
    assert "    points  150 in " in err, "--max-points is of the whole run"
    code, out, err = run_apart(*options, "--max-points", 200, "--seed", 2)
    assert (code, out) == (2, "")
    assert err.splitlines() == [
        "main.py: the checkpoint kept is one of another run: SEED was 1 and is 2; "
        "go back to that, or give this run another --checkpoint"
    ]
    holder = CheckpointFile(tmp_path / "kept")
    code, out, err = run_apart(*options, "--max-points", 200)
    holder.close()
    assert (code, out) == (1, "")
    assert err.splitlines() == [
        "main.py: another run uses the checkpoint kept; wait for its end, or give this one another --checkpoint"
    ]


def test_what_cannot_go_back_goes_on_with_what_comes_and_takes_nothing_back(run_apart, tmp_path):
    options = ("-", "--detector", "z-score", "--format", "json", "--checkpoint", "kept")
    with (tmp_path / "out.json").open("ab") as stream:
        for text in ("1\n2\n3\n", "4\n5\n"):
            (tmp_path / "text").write_text(text)
            with (tmp_path / "text").open() as file:
                code, _, err = run_apart(*options, stdin=file, stdout=stream)
            assert code == 0
    assert "this source cannot go back" in err
    found = [json.loads(line) for line in (tmp_path / "out.json").read_text().splitlines()]
    assert [(one["index"], one["value"]) for one in found] == [(n, n + 1.0) for n in range(5)]


def test_a_counter_is_judged_by_its_growth_in_a_file_and_in_a_pipe_and_a_step_back_is_an_anomaly(
    tmp_path, run, run_apart
):
    totals = 5000.0 + np.cumsum(np.random.default_rng(1).gamma(2.0, 0.5, 1500))
    totals[1000:] -= totals[1000] - totals[999] + 0.1
    totals[1200:] -= totals[1200] - 0.7
    file = tmp_path / "meter.csv"
    file.write_text("\n".join(["kwh_total", *(f"{total:.3f}" for total in totals)]), encoding="utf-8")
    code, out, err = run(file, "--delay", 0, "--format", "json")
    assert code == 0
    assert "a counter, judged by its growth" in err
    verdicts = [json.loads(line) for line in out.splitlines()]
    assert verdicts[10]["value"] == pytest.approx(totals[10] - totals[9], abs=2e-3)
    assert [verdicts[at]["is_anomaly"] for at in (1000, 1200)] == [True, False]  # a step back, and a reset
    by_value = run(file, "--gauge", "--delay", 0, "--format", "json")[1]
    assert json.loads(by_value.splitlines()[10])["value"] == round(totals[10], 3)
    with file.open() as stream:
        code, piped, err = run_apart("-", "--format", "json", stdin=stream)
    assert (code, piped) == (0, out), err


@pytest.mark.parametrize("backend", ["nonsense", "module://nowhere", "TkAgg", ""])
def test_any_mplbackend_is_put_aside_before_matplotlib_is_imported(backend, monkeypatch, capsys):
    monkeypatch.setenv("MPLBACKEND", backend)
    assert main.main(["--detector", "list"]) == 0
    assert "MPLBACKEND" not in os.environ
    assert capsys.readouterr().err == ""


def test_a_wrong_mplbackend_is_harmless(run_apart, csv, tmp_path, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "module://nowhere")
    options = ("--delay", 0, "--format", "quiet", "--summary", tmp_path / "page.html")
    code, _, err = run_apart(csv, *options, begin=subprocess.Popen)
    assert code == 0, err
    assert "data:image/png" in (tmp_path / "page.html").read_text(encoding="utf-8")

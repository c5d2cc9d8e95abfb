"""What goes wrong around a run, done for real: full disks, moved files, readers that stand still, signals."""

import fcntl
import json
import os
import pty
import random
import re
import select
import signal
import subprocess
import sys
import termios
import time
from contextlib import suppress
from itertools import islice
from pathlib import Path

import pytest

import main
from benchmarks.signals import interrupted
from tests.programs import MAIN, started
from tests.servers import wait_until

PROJECT = Path(main.__file__).parent
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc, tmpfs and pseudo-terminals: Linux")

QUICK = ("--no-visualization", "--detector", "z-score", "--alarm-rate", "0.01")
END = re.compile(
    r"^\S+ (start|worse|end) episode=\d+ .*reason=\"[^\"]*\" id=[0-9a-f]{16}"
    r"( seen_before=\S+ seen_id=[0-9a-f]{16})?$"
)


@pytest.fixture
def start(tmp_path):
    """Start main.py as a user does, in a folder of its own; what is left running is ended."""
    begun = []

    def start(*arguments, **options):
        clean = {k: v for k, v in os.environ.items() if k not in {"FORCE_COLOR", "NO_COLOR"}}
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        process = started([*MAIN, *QUICK, *arguments], cwd=tmp_path, env=clean, text=True, **pipes)
        begun.append(process)
        return process

    yield start
    for process in begun:
        with process:
            process.kill()


@pytest.fixture
def disk(tmp_path):
    """A disk of its own of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], check=False).returncode:
        pytest.skip("no disk can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def feed(process, values):
    process.stdin.write("".join(f"{value}\n" for value in values))
    process.stdin.flush()


def episode(k):
    """Twenty readings of which one is an anomaly."""
    return [k % 3 + (i % 5) / 10 + (1000 if i == 10 else 0) for i in range(20)]


CALM = [(i % 5) / 10 for i in range(200)]


def lines_of(path):
    return path.read_text(encoding="utf-8").splitlines()


def test_a_full_disk_is_told_once_and_nothing_of_log_and_report_is_lost_when_there_is_room_again(start, disk):
    ballast = disk / "ballast"
    options = ("-", "--format", "quiet", "--log", disk / "a.log", "--report", disk / "r.csv")
    process = start(*options, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    feed(process, CALM)
    wait_until((disk / "r.csv").exists)
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    for k in range(20):
        feed(process, episode(k))
    lines = (line for line in iter(process.stderr.readline, "") if "failed" in line)  # not how columns are understood
    reported = list(islice(lines, 2))
    assert all("failed, the run goes on without it: No space left on device" in line for line in reported)
    ballast.unlink()
    feed(process, episode(1))
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, None)
    assert err.count("works again") == 2
    assert err.count("failed") == 0
    log, report = lines_of(disk / "a.log"), lines_of(disk / "r.csv")
    assert all(map(END.match, log))
    numbers = [re.findall(r"(start|worse|end) episode=(\d+)", line)[0] for line in log]
    numbers = [(word, number) for word, number in numbers if word != "worse"]
    assert numbers == [(word, str(n)) for n in range(1, len(numbers) // 2 + 1) for word in ("start", "end")]
    assert len(report) - 1 == int(re.search(r"anomalous  (\d+) points", err)[1])
    assert {row.count(",") for row in report if '"' not in row} == {13}


def test_a_disk_that_turns_read_only_is_told_and_the_run_goes_on(start, disk):
    process = start(
        "-", "--format", "json", "--log", disk / "a.log", "--summary", disk / "s.html", stdin=subprocess.PIPE
    )
    feed(process, [*CALM, *episode(1)])
    wait_until(lambda: (disk / "a.log").exists() and (disk / "a.log").stat().st_size)
    subprocess.run(["umount", "-l", disk], check=True)  # the open log is on a disk that has gone away
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", disk], check=True)
    feed(process, episode(2))
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert len(out.splitlines()) == len(CALM) + 40
    assert f"log {disk / 'a.log'} failed, the run goes on without it: " in err
    assert f"no summary: {disk / 's.html'}: Read-only file system" in err
    assert "Traceback" not in err


def test_a_file_that_may_not_grow_any_more_is_a_fault_like_a_full_disk(tmp_path):
    limit = ["bash", "-c", 'ulimit -f 1; trap "" XFSZ; exec "$0" "$@"']
    (tmp_path / "in.txt").write_text("".join(f"{v}\n" for v in CALM + 20 * episode(1)), encoding="utf-8")
    words = [sys.executable, str(PROJECT / "main.py"), *QUICK, "in.txt", "--delay", "0", "--format", "json"]
    with (tmp_path / "out").open("w") as out:
        run = subprocess.run(
            [*limit, *words, "--log", "a.log", "--report", "r.csv"],
            **{"cwd": tmp_path, "stdout": out, "stderr": subprocess.PIPE, "text": True, "timeout": 60},
            check=False,
        )
    assert run.returncode == 0
    assert run.stderr.count("failed, the run goes on without it: File too large") == 3
    assert "Traceback" not in run.stderr
    assert all(map(END.match, lines_of(tmp_path / "a.log")))
    for row in lines_of(tmp_path / "r.csv")[1:]:
        assert row.startswith(tuple("123456789"))


def test_a_log_and_a_report_that_others_move_are_begun_anew_and_no_line_is_lost(start, tmp_path):
    log, report = tmp_path / "a.log", tmp_path / "r.csv"
    process = start("-", "--format", "quiet", "--log", log, "--report", report, stdin=subprocess.PIPE)

    def next_episode(k):
        feed(process, [*CALM, *episode(k), *CALM])
        wait_until(
            lambda: (
                log.exists()
                and [line.split()[1] for line in lines_of(log) if " worse " not in line] == ["start", "end"]
            )
        )

    next_episode(1)
    before = [path.read_text(encoding="utf-8") for path in (log, report)]
    for path in (log, report):
        path.rename(path.with_suffix(".old"))
    next_episode(2)
    assert [path.with_suffix(".old").read_text(encoding="utf-8") for path in (log, report)] == before
    assert lines_of(report)[0].startswith("index,time,value")
    for path in (log, report):
        path.unlink()
    next_episode(3)
    assert lines_of(report)[0].startswith("index,time,value")
    for path in (log, report):
        path.unlink()
        path.touch()  # as logrotate's "create" does
    next_episode(4)
    assert lines_of(report)[0].startswith("index,time,value")
    for path in (log, report):
        os.truncate(path, 0)  # as its "copytruncate"
    next_episode(5)
    assert "episode=5" in lines_of(log)[0]
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "failed" not in err


def drain(descriptor, end, seconds=20.0):
    """What can be read of a terminal until so much has come."""
    text, ends = b"", time.monotonic() + seconds
    while end not in text and select.select([descriptor], [], [], max(0.0, ends - time.monotonic()))[0]:
        text += os.read(descriptor, 65536)
    return text


@pytest.mark.parametrize("is_stopped", [True, False], ids=["Ctrl+S", "nobody reads"])
def test_a_terminal_that_stands_still_stops_neither_the_log_nor_the_end_of_a_live_run(start, tmp_path, is_stopped):
    ours, theirs = pty.openpty()
    terminal = {"stdin": subprocess.PIPE, "stdout": theirs, "stderr": theirs}
    process = start("-", "--log", "a.log", **terminal)
    try:
        if is_stopped:
            termios.tcflow(theirs, termios.TCOOFF)
        n = 20  # more than a pseudo-terminal takes
        for k in range(n):
            feed(process, [*CALM, *episode(k)])
        log = tmp_path / "a.log"
        wait_until(lambda: log.exists() and log.read_text().count(" start ") >= n, 40)
        process.stdin.close()
        if is_stopped:
            termios.tcflow(theirs, termios.TCOON)
            said = f"{n * 220:,} in".encode()
            assert said in drain(ours, said), "what was said waits for the reader"
        assert process.wait(timeout=20) == 0
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_signal_ends_a_replay_into_a_pipe_that_nobody_reads(start, number):
    process = start("--delay", 0, "--format", "json", "--log", "none")
    wait_until(lambda: readable(process.stdout) > 50_000)  # the pipe is nearly full: the next page does not fit
    process.send_signal(number)
    sent = time.monotonic()
    assert process.wait(timeout=20) == 0
    assert time.monotonic() - sent < 4


def readable(file):
    number = bytearray(4)
    fcntl.ioctl(file.fileno(), termios.FIONREAD, number)
    return int.from_bytes(number, sys.byteorder)


def test_a_replay_waits_for_a_slow_reader_and_loses_nothing(start):
    process = start("--delay", 0, "--format", "json", "--log", "none", "--max-points", 2000)
    indices = []
    for line in process.stdout:
        indices.append(json.loads(line)["index"])
        if len(indices) in {1, 900}:
            time.sleep(1.5)  # longer than messages are waited for
    assert indices == list(range(2000))
    assert process.wait(timeout=20) == 0


def test_a_live_run_goes_on_though_nobody_reads_its_pipe_and_says_what_is_missing(start, tmp_path):
    process = start("-", "--format", "json", "--log", "a.log", stdin=subprocess.PIPE)
    for k in range(10):
        feed(process, [*CALM, *episode(k)])
    log = tmp_path / "a.log"
    wait_until(lambda: log.exists() and log.read_text().count(" start ") >= 10, 30)
    process.stdin.close()
    assert process.wait(timeout=30) == 0
    assert "lines were not written: nobody reads them" in process.stderr.read()


def test_a_flood_is_judged_as_fast_as_it_goes_and_takes_no_memory(start):
    with subprocess.Popen(["yes", "1"], stdout=subprocess.PIPE) as flood:
        process = start("-", "--log", "none", "--format", "quiet", "--max-points", 400_000, stdin=flood.stdout)
        sizes = []
        while process.poll() is None:
            with suppress(OSError, ValueError, TypeError):  # it may end meanwhile
                sizes.append(int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text())[1]))
            time.sleep(0.1)
        flood.kill()
    assert process.returncode == 0
    assert "400,000 in" in process.stderr.read()
    assert max(sizes) < 600_000, "KiB"


def test_a_line_that_is_not_ended_is_read_as_it_stands(start):
    out, _ = start("-", "--log", "none", "--format", "json", stdin=subprocess.PIPE).communicate(
        "1\n2\n3.25", timeout=60
    )
    assert [json.loads(line)["value"] for line in out.splitlines()] == [1, 2, 3.25]


@pytest.mark.parametrize("seed", [1, 2])
def test_a_signal_at_a_random_moment_leaves_everything_whole(tmp_path, seed):
    rng = random.Random(seed)
    end = interrupted(rng.uniform(0, 2), rng.choice([signal.SIGINT, signal.SIGTERM]), tmp_path)
    assert (end.code, end.wrong) == (0, "")

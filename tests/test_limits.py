"""Limits on what comes from outside, by the whole program: signals, memory, descriptors, paths."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import main
from tests import programs
from tests.servers import wait_until

PROJECT = Path(main.__file__).parent
QUICK = ("--no-visualization", "--format", "quiet", "--log", "none", "--detector", "z-score", "--alarm-rate", "0.01")

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals and limits of POSIX systems")


def started(folder, *words, **more):
    return programs.started(
        [*programs.MAIN, *words],
        **{"cwd": folder, "stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE} | more,
    )


def test_sigterm_ends_a_run_in_two_seconds_though_a_command_of_an_alarm_hangs(tmp_path):
    begun = tmp_path / "begun"
    command = shlex.join([sys.executable, "-c", f"import time; open({str(begun)!r}, 'w'); time.sleep(300)"])
    rows = "\n".join(map(str, [*([1, 2, 3] * 100), 10_000, *([1, 2, 3] * 100), 10_000])) + "\n"
    with started(tmp_path, "-", *QUICK, "--on-anomaly", command) as run:
        run.stdin.write(rows.encode())
        run.stdin.flush()
        end = time.monotonic() + 60
        while not begun.exists():
            assert time.monotonic() < end
            time.sleep(0.05)
        sent = time.monotonic()
        run.send_signal(signal.SIGTERM)
        run.wait(10)
        assert time.monotonic() - sent < 2.3
        assert b"Traceback" not in run.stderr.read()
        assert run.returncode == 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="adopts orphans on Linux only")
def test_a_second_ctrl_c_ends_the_command_of_an_alarm_and_its_children_in_other_sessions_too(tmp_path):
    pids = tmp_path / "pids"
    sleeper = f"import os, time; os.setsid(); open({str(pids)!r}, 'a').write(f'{{os.getpid()}}\\n'); time.sleep(300)"
    start = f"subprocess.Popen([sys.executable, '-c', {sleeper!r}])"
    orphan = f"import subprocess, sys; {start}"  # is gone at once, and leaves the one that it started
    code = f"import subprocess, sys, time; {start}; subprocess.run([sys.executable, '-c', {orphan!r}]); time.sleep(300)"
    command = shlex.join([sys.executable, "-c", code])
    rows = "\n".join(map(str, [*([1, 2, 3] * 100), 10_000, *([1, 2, 3] * 100), 10_000])) + "\n"
    with started(tmp_path, "-", *QUICK, "--on-anomaly", command, "--on-anomaly-seconds", "300") as run:
        run.stdin.write(rows.encode())
        run.stdin.flush()
        wait_until(lambda: pids.exists() and len(pids.read_text().split()) == 2, 60)
        run.send_signal(signal.SIGINT)
        wait_until(lambda: b"last commands have" in run.stderr.readline(), 60)
        run.send_signal(signal.SIGINT)
        assert run.wait(60) == 1
        run.stderr.read()
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids.read_text().split()))


def rows_of_new_keys(n, lies=0.0):
    """CSV with a new key in each row, and ten old ones whose rows come again and again."""
    yield "time,value,key\n"
    for k in range(n):
        time = 253_402_214_400 if lies and k % round(1 / lies) == 7 else 1_700_000_000 + 60 * (k // 10)
        yield f"{time},{k % 7},new {k}\n{1_700_000_000 + 60 * (k // 10)},{k % 5},old {k % 10}\n"


def test_new_keys_take_no_more_memory_than_is_given(tmp_path):
    resource = pytest.importorskip("resource")
    (tmp_path / "in.csv").write_text("".join(rows_of_new_keys(40_000, lies=0.01)))
    options = ("--key-column", "key", "--column", "value", "--time-column", "time", "--memory-limit", "600")
    quiet = ("--no-visualization", "--format", "quiet", "--log", "none", "--delay", "0")
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    with started(tmp_path, "in.csv", *options, *quiet) as run:
        _, err = run.communicate(timeout=300)
    assert run.returncode == 0, err
    assert b"Traceback" not in err
    assert re.search(rb"at most [\d,]+ streams at the same time, by the 0\.\d GB of memory that are free", err)
    assert b"a stream too many" in err or b"is new, and there are" in err
    most = max(before, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
    assert most < 700_000 or before > 700_000, "kilobytes"


def test_a_stream_too_many_is_refused_by_the_number_that_was_asked_for(tmp_path):
    (tmp_path / "in.csv").write_text("".join(rows_of_new_keys(200)))
    options = ("--key-column", "key", "--column", "value", "--time-column", "time", "--most-streams", "50")
    quiet = ("--no-visualization", "--format", "quiet", "--log", "none", "--delay", "0")
    with started(tmp_path, "in.csv", *options, *quiet) as run:
        _, err = run.communicate(timeout=300)
    assert run.returncode == 0, err
    assert b"there are 50 streams, the most" in err
    assert b"   streams  50" in err


#: Less than loading takes, less than a picture takes besides, and more.
VIRTUAL = [f"ulimit -v {kilobytes}" for kilobytes in (300_000, 400_000, 700_000)]


def limited(folder, limit, *words):
    """A run under a limit of the shell: exit code and what it said."""
    shell = ["sh", "-c", f'{limit}; exec "$@"', "sh", sys.executable, str(PROJECT / "main.py"), *map(str, words)]
    done = subprocess.run(shell, cwd=folder, capture_output=True, timeout=300, check=False, stdin=subprocess.DEVNULL)
    return done.returncode, done.stderr.decode()


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """What the runs need is compiled: under a limit of memory LLVM ends the program where it cannot."""
    folder = tmp_path_factory.mktemp("compiled")
    (folder / "in.txt").write_text("1\n2\n" * 50)
    assert limited(folder, "true", "in.txt", *QUICK, "--delay", "0")[0] == 0


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("limit", ["ulimit -n 20", "ulimit -n 8", *VIRTUAL, "unset HOME", "ulimit -f 0"])
def test_a_limit_of_the_system_is_never_a_traceback(tmp_path, limit):
    (tmp_path / "in.txt").write_text("\n".join(map(str, [1, 2, 3] * 100)))
    outputs = ("--report", "r.csv", "--checkpoint", "c", "--summary", "s.html", "--on-anomaly", "true")
    code, said = limited(tmp_path, limit, "in.txt", *QUICK, "--delay", "0", *outputs)
    assert "Traceback" not in said, said
    assert code in {0, 1}
    assert "main.py: " in said if code else "points  300" in said, said


def test_a_key_in_any_script_is_drawn_without_a_warning(tmp_path):
    keys = ["\u4e95\u6238", "\u0645\u0636\u062e\u0629", "\u092a\u0902\u092a", "a\U0001f4a9"]
    rows = [f"{1_700_000_000 + 60 * (i // 4)},{i % 7 + (90 if i > 1996 else 0)},{keys[i % 4]}" for i in range(2000)]
    (tmp_path / "in.csv").write_text("\n".join(["time,value,key", *rows]), encoding="utf-8")
    options = ("--key-column", "key", "--column", "value", "--time-column", "time", "--summary", "s.html")
    quiet = ("--no-visualization", "--format", "quiet", "--log", "none", "--delay", "0")
    with started(tmp_path, "in.csv", *options, *quiet) as run:
        _, err = run.communicate(timeout=300)
    assert run.returncode == 0, err
    assert b"summary written" in err
    assert b"Warning" not in err


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
@pytest.mark.parametrize("more", [(), ("--follow",)])
def test_a_file_that_cannot_be_read_from_its_first_byte_on_is_said_in_one_line(tmp_path, more):
    done = programs.ran([*programs.MAIN, "/proc/self/mem", *QUICK, *more], cwd=tmp_path)
    *_, last = done.stderr.decode().splitlines()
    assert (done.returncode, "Traceback" in done.stderr.decode()) == (1, False)
    assert re.search(r"(reading failed|cannot be opened): Input/output error$", done.stderr.decode(), re.M), last

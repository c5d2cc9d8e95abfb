import contextlib
import http.server
import json
import math
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamforest.protocols import STREAM_VERDICT_DTYPE, VERDICT_DTYPE, verdict_from_row
from streamforest.sinks import hook
from streamforest.sinks.hook import FAILURES_REPORTED, MOST_WAITING, Call, HookSink, run_once, words_of
from streamforest.sinks.terminal import json_lines
from streamforest.state import unpacked
from streamforest.stream_names import StreamNames
from streamforest.verdicts.life import episode_id
from tests.servers import wait_until

ALARMS = (Path(__file__).parents[2] / "docs" / "alarms.md").read_text(encoding="utf-8")
needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc: Linux")
needs_posix = pytest.mark.skipif(os.name != "posix", reason="needs process groups")


def program(text):
    """The words that run a Python program."""
    return [sys.executable, "-S", "-c", text]


def episodes(n, first=0):
    """One block with n episodes of one point each."""
    rows = np.zeros(20 * n, VERDICT_DTYPE)
    rows["index"] = first + np.arange(20 * n)
    rows["is_anomaly"][3::20] = True
    rows["episode"][3::20] = np.arange(1, n + 1)
    rows["value"], rows["reason"] = 7.5, 1
    rows["p_value"] = np.where(rows["is_anomaly"], 1e-4, 0.5)
    return rows


def children():
    """Numbers of this process's children."""
    numbers = set()
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError):  # a thread may end between the listing and the reading
            numbers.update((task / "children").read_text().split())
    return numbers


@pytest.fixture
def said():
    return []


@pytest.fixture
def make(said):
    def make(words, seconds=30.0, cool_down=5):
        return HookSink(words, seconds, json_lines, said.append, cool_down)

    return make


def is_running(pid):
    """Whether a program runs; one that has ended and that nobody has asked about does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_command_reads_the_first_verdict_of_each_episode_as_standard_output_shows_it(make, said, tmp_path):
    out = tmp_path / "out"
    sink = make(program(f"import sys; open({str(out)!r}, 'a').write(sys.stdin.read())"))
    rows = episodes(3)
    rows["is_anomaly"][4], rows["episode"][4] = True, 1  # the first episode goes on
    sink.write(rows)
    sink.close()
    sink.close()
    assert out.read_text() == json_lines(rows[3::20])
    assert [json.loads(line)["episode"] for line in out.read_text().splitlines()] == [1, 2, 3]
    assert said == []


def test_the_command_finds_the_id_of_its_episode_in_its_environment(said, tmp_path):
    out = tmp_path / "out"
    words = program(f"import os; open({str(out)!r}, 'a').write(os.environ['STREAMFOREST_EPISODE_ID'])")
    sink = HookSink(words, 30.0, json_lines, said.append, source="pump.csv")
    rows = episodes(1)
    sink.write(rows)
    sink.close()
    assert out.read_text() == episode_id("pump.csv", None, verdict_from_row(rows[3].tolist()))


@given(cuts=st.sets(st.integers(1, 99)), cool_down=st.sampled_from([0, 5, 30]))
def test_the_command_is_run_once_an_episode_however_the_stream_is_cut(cuts, cool_down):
    heard = []

    def describe(verdicts):
        heard.append(verdicts["index"].item())
        return ""

    sink = HookSink(["/no/such"], 1.0, describe, lambda _line: None, cool_down)
    for block in np.split(episodes(5), sorted(cuts)):
        sink.write(block)
    sink.close()
    assert heard == [3, 23, 43, 63, 83]


def test_write_returns_at_once_while_commands_run_and_the_newest_of_those_that_wait_are_kept(make, said):
    sink = make(program("import time; time.sleep(1000)"), seconds=0.3)
    sink.write(episodes(1))
    wait_until(lambda: sink.begun == 1)
    started = time.monotonic()
    sink.write(episodes(MOST_WAITING + 50))
    assert time.monotonic() - started < 0.2
    waiting = unpacked(sink.state(), "waiting", list[Call])
    assert len(waiting) == MOST_WAITING
    assert [waiting[0][0], waiting[-1][0]] == [51, MOST_WAITING + 50]
    assert said.count("episodes begin faster than the command runs: the oldest that wait are left out") == 1
    sink.close()
    assert time.monotonic() - started < 3
    assert sink.left_out + sink.begun == MOST_WAITING + 51
    assert f"{sink.left_out:,} episodes had no command: they began faster than it runs" in said


def test_at_the_end_of_the_run_what_waits_is_run_within_the_time_limit(make, tmp_path):
    sink = make(program(f"import sys; open({str(tmp_path / 'out')!r}, 'a').write('x')"))
    sink.write(episodes(5))
    sink.close()
    assert (tmp_path / "out").read_text() == "xxxxx"


def test_a_wait_at_the_end_of_the_run_is_told(make, said):
    sink = make(program("import time; time.sleep(1.5)"))
    sink.write(episodes(1))
    sink.close()
    assert said == ["the run is over; its last commands have 30 s to end"]
    assert sink.failed == 0


def test_a_run_that_shall_end_soon_does_not_wait_for_its_commands(said):
    ends = [math.inf]
    sink = HookSink(program("import time; time.sleep(60)"), 30.0, json_lines, said.append, ends_by=lambda: ends[0])
    sink.write(episodes(3))
    wait_until(lambda: sink.begun)
    closing = threading.Thread(target=sink.close)
    closing.start()
    started = ends[0] = time.monotonic()  # also where it becomes urgent while it waits
    closing.join(20)
    assert time.monotonic() - started < 5
    assert not closing.is_alive()
    assert sink.left_out + sink.begun == 3


@needs_posix
@needs_proc
def test_a_command_that_takes_too_long_is_killed_with_all_that_it_started(tmp_path):
    pids = tmp_path / "pids"
    child = "import time; time.sleep(1000)"
    parent = (
        "import os, subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, '-S', '-c', {child!r}])\n"
        f"open({str(pids)!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}')\n"
        "time.sleep(1000)\n"
    )
    started = time.monotonic()
    assert run_once(program(parent), "", 0.7) == "not done after 0.7 s, killed"
    assert time.monotonic() - started < 3
    wait_until(lambda: not any(is_running(int(pid)) for pid in pids.read_text().split()))


@needs_posix
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="adopts orphans on Linux only")
@pytest.mark.parametrize("hangs", [False, True])
def test_not_even_a_child_in_a_session_of_its_own_outlives_its_command(tmp_path, hangs):
    pids = tmp_path / "pids"
    daemon = f"import os, time; os.setsid(); open({str(pids)!r}, 'a').write(str(os.getpid()) + chr(10)); time.sleep(60)"
    code = f"import subprocess, sys, time\nfor _ in range(2): subprocess.Popen([sys.executable, '-c', {daemon!r}])\n"
    code += (
        f"while not (__import__('os').path.exists({str(pids)!r}) and open({str(pids)!r}).read().count(chr(10)) == 2):"
    )
    code += " time.sleep(0.01)\n" + ("time.sleep(60)" if hangs else "")
    hook.adopt_orphans()
    before = hook.children()
    fault = run_once(program(code), "", 3.0 if hangs else 30.0)
    assert bool(fault) == hangs
    left = list(map(int, pids.read_text().split()))
    assert len(left) == 2
    assert not any(Path(f"/proc/{pid}").exists() for pid in left), "ended, and no zombies"
    assert hook.children() == before


@needs_posix
def test_a_command_that_ends_takes_nothing_with_it_that_the_program_itself_began_meanwhile(tmp_path):
    go, heard = tmp_path / "go", []
    waits = f"import os, time\nwhile not os.path.exists({str(go)!r}): time.sleep(0.01)"
    hook.adopt_orphans()
    before = hook.children()
    one = threading.Thread(target=lambda: heard.append(run_once(program(waits), "", 60.0)))
    one.start()
    wait_until(lambda: hook.children() != before)
    own = subprocess.Popen(program("print(input())"), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    go.touch()
    one.join()
    assert heard == [""]
    assert own.communicate(b"alive\n") == (b"alive\n", None)


@needs_posix
def test_what_a_command_prints_is_cut_and_told(capfd):
    code = "import sys\nfor _ in range(300): sys.stdout.write('x' * 1000)"
    assert run_once(program(code), "", 30.0) == "its output is cut at 64 KiB"
    assert capfd.readouterr().err.count("x") == 65_536
    assert run_once(program("print('y' * 1000)"), "", 30.0) == ""
    assert capfd.readouterr().err.count("y") == 1000
    endless = "import sys\nwhile True: sys.stdout.write('x' * 1000)"
    assert run_once(program(endless), "", 1.0) == "not done after 1 s, killed"
    assert capfd.readouterr().err.count("x") == 65_536


@needs_posix
@needs_proc
def test_what_a_command_leaves_behind_is_killed_when_it_has_ended(tmp_path):
    pid = tmp_path / "pid"
    assert run_once(["sh", "-c", f"sleep 1000 & echo $! > {shlex.quote(str(pid))}"], "", 20) == ""
    wait_until(lambda: not is_running(int(pid.read_text())))


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (program("import sys; sys.exit(3)"), "exit code 3"),
        (program("import sys; sys.stdin.close()"), ""),
        pytest.param(program("import os; os.kill(os.getpid(), 9)"), "ended by signal 9", marks=needs_posix),
    ],
)
def test_how_a_command_ended_is_told_in_words(words, fault):
    assert run_once(words, "x" * 4000, 20) == fault


def test_failures_are_told_with_the_exit_code_and_not_endlessly(make, said):
    sink = make([shutil.which("false") or sys.executable, "-c", "import sys; sys.exit(1)"])
    sink.write(episodes(FAILURES_REPORTED + 5))
    sink.close()
    heard = [line for line in said if line.startswith("command on anomaly, episode")]
    assert heard[0] == "command on anomaly, episode 1: exit code 1"
    assert (
        heard[-1] == f"command on anomaly, episode {FAILURES_REPORTED}: exit code 1; further failures are only counted"
    )
    assert len(heard) == FAILURES_REPORTED
    assert said[-1] == f"the command failed {FAILURES_REPORTED + 5} of {FAILURES_REPORTED + 5} times"


def test_a_program_that_was_removed_meanwhile_is_told_and_the_run_goes_on(make, said, tmp_path):
    sink = make([str(tmp_path / "gone")])
    sink.write(episodes(1))
    sink.close()
    assert "command on anomaly, episode 1: cannot be started: No such file or directory" in said


@needs_posix
@needs_proc
def test_a_thousand_commands_leave_no_descriptors_threads_or_children(make, said, monkeypatch):
    monkeypatch.setattr(hook, "MOST_WAITING", 2000)
    before = children()
    threads, descriptors = threading.active_count(), len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a count
    sink = make([shutil.which("true")], seconds=120.0)
    sink.write(episodes(1000))
    sink.close()
    assert (sink.begun, sink.failed, sink.left_out) == (1000, 0, 0)
    assert threading.active_count() == threads
    assert len(os.listdir("/proc/self/fd")) == descriptors  # noqa: PTH208
    assert children() <= before
    assert len(said) <= 1


def test_a_command_is_taken_apart_without_a_shell():
    words = words_of(f"{shlex.quote(sys.executable)} -c 'a b' \"c; $HOME\" | `x`")
    assert words == [sys.executable, "-c", "a b", "c; $HOME", "|", "`x`"]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("no-such-program-here -x", "there is no program 'no-such-program-here'; install it or give its path"),
        ("'unfinished", "a quotation mark or backslash is left open"),
        ("''", "it names no program"),
    ],
)
def test_a_command_that_cannot_be_run_is_told_in_one_line(command, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}") as caught:
        words_of(command)
    assert len(str(caught.value).splitlines()) == 1


@given(st.text())
def test_any_command_is_taken_apart_or_refused_in_one_line(command):
    try:
        words = words_of(command)
    except ValueError as error:
        words = str(error).splitlines()
        assert len(words) == 1
    assert words


# The commands of docs/alarms.md


class Listener:
    """A real HTTP server that keeps what it is sent."""

    def __init__(self):
        self.got = got = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                got.append((self.path, self.headers, body.decode()))
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"ok\n")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def listener():
    listener = Listener()
    yield listener
    listener.close()


def documented(mark, address, other):
    """A command of docs/alarms.md behind --on-anomaly, with another address in it."""
    (line,) = [line for line in ALARMS.splitlines() if line.startswith("python") and mark in line]
    words = shlex.split(line, comments=True)
    command = words[words.index("--on-anomaly") + 1]
    assert address in command
    return command.replace(address, other)


@pytest.fixture
def script(tmp_path, monkeypatch):
    """Write a script of docs/alarms.md into the folder where commands are run."""
    monkeypatch.chdir(tmp_path)

    def script(name):
        text = re.search(rf"```sh\n(#!/bin/sh\n# {name}:.*?)```", ALARMS, re.DOTALL)[1]
        (tmp_path / name).write_text(text, encoding="utf-8")

    return script


def needs(*programs):
    for name in programs:
        if shutil.which(name) is None:
            pytest.skip(f"needs {name}")


def tell_of_one(make, command):
    sink = make(words_of(command))
    rows = episodes(1)
    rows["expected"], rows["lower"], rows["upper"] = 2, 1, 3
    sink.write(rows)
    sink.close()
    assert sink.failed == 0
    return json.loads(json_lines(rows[3:4]))


def test_the_documented_webhook_gets_the_verdict(make, listener):
    needs("curl")
    verdict = tell_of_one(make, documented("//example.org/hook", "https://example.org", listener.address))
    ((path, headers, body),) = listener.got
    assert (path, headers["Content-Type"], json.loads(body)) == ("/hook", "application/json", verdict)


def test_the_documented_chat_gets_the_reason(make, listener, script):
    needs("curl", "jq", "sh")
    script("notify.sh")
    verdict = tell_of_one(make, documented("notify.sh", "https://chat.example.org", listener.address))
    ((path, _, body),) = listener.got
    assert (path, json.loads(body)) == ("/hooks/KEY", {"text": f"anomaly: {verdict['reason']}"})


def test_the_documented_push_message_is_the_reason(make, listener):
    needs("curl", "jq", "sh")
    verdict = tell_of_one(make, documented("ntfy", "https://ntfy.sh", listener.address))
    ((_, headers, body),) = listener.got
    assert (headers["Title"], body) == ("anomaly", verdict["reason"])


def test_the_documented_mail_is_sent(make, script):
    needs("curl", "jq", "sh")
    controller = pytest.importorskip("aiosmtpd.controller", reason="needs aiosmtpd: tests/optional-requirements.txt")
    got = []

    class Keeper:
        async def handle_DATA(self, _server, _session, envelope):  # noqa: N802 - the name is aiosmtpd's
            got.append((envelope.mail_from, envelope.rcpt_tos, envelope.content.decode()))
            return "250 kept"

    script("mail.sh")
    server = controller.Controller(Keeper(), hostname="127.0.0.1", port=free_port())
    server.start()
    try:
        address = f"smtp://127.0.0.1:{server.port}"
        verdict = tell_of_one(make, documented("mail.sh", "smtp://mail.example.org", address))
    finally:
        server.stop()
    ((sender, receivers, text),) = got
    assert (sender, receivers) == ("stream@example.org", ["you@example.org"])
    assert text.rstrip().splitlines() == ["Subject: anomaly", "", verdict["reason"]]


def free_port():
    import socket  # noqa: PLC0415

    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def test_what_a_command_prints_does_not_reach_standard_output():
    text = (
        "import sys\n"
        f"sys.path.insert(0, {str(Path(__file__).parents[2])!r})\n"
        "from streamforest.sinks.hook import run_once\n"
        "print(run_once([sys.executable, '-c', 'print(5)'], '', 20))\n"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True, timeout=60)
    assert (done.stdout, done.stderr) == ("\n", "5\n")


def test_of_many_streams_the_command_reads_the_key_too(said):
    names = StreamNames()
    rows = np.zeros(3, STREAM_VERDICT_DTYPE)
    rows["stream"] = names.numbers_of(["calm", "\x1b[31m", "b"])
    rows["index"], rows["is_anomaly"], rows["episode"] = 5, [False, True, True], 1
    heard = []

    def describe(verdicts):
        heard.append(json.loads(json_lines(verdicts, names=names)))
        return ""

    sink = HookSink(["/no/such"], 1.0, describe, said.append, names=names)
    sink.write(rows)
    sink.close()
    assert [line.split(":")[0] for line in said] == [
        r"command on anomaly, episode 1 of \x1b[31m",
        "command on anomaly, episode 1 of b",
    ]
    assert [(found["key"], found["index"], found["is_anomaly"]) for found in heard] == [
        ("\x1b[31m", 5, True),
        ("b", 5, True),
    ]


def test_an_episode_that_has_had_its_command_has_no_other_one_after_a_restart_and_one_that_waited_has(make, tmp_path):
    heard = tmp_path / "heard"
    append = program(f"import sys; open({str(heard)!r}, 'ab').write(sys.stdin.buffer.read())")
    rows = episodes(3)
    first = make(program("import time; time.sleep(0.3)"))
    first.write(rows[:24])
    wait_until(lambda: first.begun == 1)
    state = first.state()
    second = make(append)
    assert second.restore(state, cut=True) == ""
    second.write(rows[24:])
    second.close()
    first.close()
    assert [json.loads(line)["episode"] for line in heard.read_text().splitlines()] == [2, 3]

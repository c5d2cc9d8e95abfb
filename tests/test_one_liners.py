"""The pipelines of docs/sources.md, each run by a shell as it stands there, but against this machine."""

import asyncio
import http.server
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.programs import PROJECT
from tests.servers import Server, free_port, listens, wait_until

PAGE = (PROJECT / "docs" / "sources.md").read_text(encoding="utf-8")
SECTION = PAGE.split("## Anything that prints numbers\n")[1].split("\n## ")[0]
LINES = [line for line in SECTION.split("```")[1].splitlines() if "main.py" in line]


def line_of(word):
    (line,) = [line for line in LINES if word in line]
    return line


@pytest.fixture
def pipe(tmp_path):
    """Run a line with some words replaced until so many verdicts have come; gives their values and times."""
    started = []
    stubs = tmp_path / "bin"
    stubs.mkdir()

    def pipe(word, replaced, values, stub=None):
        line = line_of(word)
        for old, new in replaced.items():
            assert old in line
            line = line.replace(old, str(new))
        if stub is not None:
            (stubs / stub[0]).write_text(f"#!/bin/sh\n{stub[1]}\n", encoding="utf-8")
            (stubs / stub[0]).chmod(0o755)
        options = "--format json --log none --no-visualization --detector z-score"
        line = re.sub(r"python main\.py (\S+)", rf"'{sys.executable}' '{PROJECT}/main.py' \1 {options}", line)
        program = subprocess.Popen(
            ["/bin/sh", "-c", line],
            **{
                "cwd": tmp_path,
                "env": os.environ | {"PATH": f"{stubs}:{Path(sys.executable).parent}:{os.environ['PATH']}"},
                "text": True,
            },
            **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE},
            start_new_session=True,
        )
        started.append(program)
        found = []
        for out in program.stdout:
            found.append(json.loads(out))
            if len(found) == values:
                break
        assert len(found) == values, program.stderr.read()
        return [verdict["value"] for verdict in found]

    yield pipe
    for program in started:
        with program:
            os.killpg(program.pid, signal.SIGKILL)


def needs(*tools):
    missing = [tool for tool in tools if shutil.which(tool) is None]
    return pytest.mark.skipif(bool(missing) or os.name == "nt", reason=f"needs {', '.join(missing)}")


def in_thread(run):
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def test_each_line_of_the_section_is_tried_here():
    names = {
        "ping",
        "vmstat",
        "curl",
        "nc -lk",
        "mosquitto_sub",
        "websockets",
        "kubectl",
        "journalctl -q",
        "journalctl -fn",
    }
    tried = {line_of(name) for name in [*names, "stty"]}
    assert tried == set(LINES)
    assert len(tried) == 10


@needs("ping", "sed")
def test_ping(pipe):
    assert all(0 < value < 1000 for value in pipe("ping", {"example.org": "127.0.0.1"}, 2))


@needs("vmstat", "sed")
def test_vmstat(pipe):
    assert all(0 <= value <= 100 for value in pipe("vmstat", {}, 2))


@needs("curl")
def test_curl(pipe):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        in_thread(server.serve_forever)
        values = pipe("curl", {"example.org": f"127.0.0.1:{server.server_port}", "sleep 1": "sleep 0.1"}, 2)
        server.shutdown()
    assert all(0 < value < 5 for value in values)


@needs("nc", "stdbuf", "cut")
def test_netcat(pipe):
    port = free_port()

    def send():
        wait_until(lambda: listens(port))
        for start in (0, 5):
            time.sleep(0.3)  # the look whether it listens was a connection too
            with socket.create_connection(("127.0.0.1", port)) as to:
                for number in range(5):
                    to.sendall(f"temperature {start + number}\n".encode())

    in_thread(send)
    assert pipe("nc -lk", {"9000": port}, 10) == list(range(10))


@needs("mosquitto_sub", "mosquitto_pub")
@pytest.mark.skipif(shutil.which("mosquitto") is None, reason="needs mosquitto")
def test_mosquitto_sub(pipe, tmp_path):
    port = free_port()
    (tmp_path / "m.conf").write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nuser root\n", encoding="utf-8")
    server = Server(port, shutil.which("mosquitto"), "-c", tmp_path / "m.conf").start()
    is_done = threading.Event()

    def send():
        while not is_done.wait(0.2):
            words = ("-h", "127.0.0.1", "-p", str(port), "-t", "house/temperature", "-m", "21.5")
            subprocess.run(["mosquitto_pub", *words], check=False)

    sender = in_thread(send)
    assert pipe("mosquitto_sub", {"-h example.org": f"-h 127.0.0.1 -p {port}"}, 2) == [21.5, 21.5]
    is_done.set()
    sender.join()
    server.kill()


def test_websockets(pipe):
    websockets = pytest.importorskip("websockets.asyncio.server", reason="needs websockets")
    port, is_done = free_port(), threading.Event()

    async def talk(connection):
        for number in range(1000):
            await connection.send(json.dumps({"value": number, "note": "a < b"}))
            await asyncio.sleep(0.05)

    async def serve():
        async with websockets.serve(talk, "127.0.0.1", port):
            while not is_done.is_set():
                await asyncio.sleep(0.05)

    server = in_thread(lambda: asyncio.run(serve()))
    wait_until(lambda: listens(port))
    assert pipe("websockets", {"example.org": f"127.0.0.1:{port}"}, 3) == [0, 1, 2]
    is_done.set()
    server.join()


def test_kubectl_by_the_form_of_its_output(pipe):
    values = pipe("kubectl", {"sleep 15": "sleep 0.1"}, 2, ("kubectl", "echo 'web-0   250m         120Mi'"))
    assert values == [250, 250]


def test_journalctl_by_the_form_of_its_output(pipe):
    values = pipe("journalctl -q", {"sleep 60": "sleep 0.1"}, 2, ("journalctl", "echo one; echo two"))
    assert values == [2, 2]


def test_a_followed_journal_by_the_form_of_its_output(pipe):
    lines = "while sleep 0.1; do echo 'GET / 200 rt=0.120 x'; echo other; done"
    assert pipe("journalctl -fn", {}, 2, ("journalctl", lines)) == [0.12, 0.12]


@needs("socat", "stty")
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="stty -F: Linux")
def test_a_serial_port(pipe, tmp_path):
    port, end = tmp_path / "port", tmp_path / "end"
    joined = subprocess.Popen(["socat", f"pty,raw,echo=0,link={port}", f"pty,raw,echo=0,link={end}"])
    with joined:
        wait_until(lambda: port.exists() and end.exists())
        is_done = threading.Event()

        def send():
            with Path(end).open("wb", 0) as device:
                while not is_done.wait(0.1):
                    device.write(b"21.5\r\n")

        sender = in_thread(send)
        values = pipe("stty", {"/dev/ttyUSB0": port}, 2)
        is_done.set()
        sender.join(2)
        joined.kill()
    assert values == [21.5, 21.5]

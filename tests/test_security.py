"""Nobody gets in: what a source, a name or a stranger sends is shown, never obeyed; done by the whole program."""

import http.server
import json
import os
import re
import shlex
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

import main
from streamforest.protocols import SourceError
from streamforest.sources.prometheus import PrometheusSource
from streamforest.terminal.stop import StopFlag
from tests.programs import MAIN, ran, started

PROJECT = Path(main.__file__).parent
FORGING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")
VALUES = [(i % 7) / 10 + (1000 if i in {200, 300} else 0) for i in range(400)]
QUICK = ("--detector", "z-score", "--alarm-rate", "0.01", "--delay", "0")


def run(source, folder, *options, script=PROJECT / "main.py", **environment):
    clean = {k: v for k, v in os.environ.items() if k not in {"FORCE_COLOR", "NO_COLOR", "DISPLAY"}}
    return ran([sys.executable, script, source, *QUICK, *options], cwd=folder, env=clean | environment, timeout=120)


@pytest.mark.skipif(os.name == "nt", reason="no such file names there")
def test_a_file_name_forges_nothing_in_messages_log_report_page_and_picture(tmp_path):
    name = "$\\undefined$\x1b[31m\x9b1m\n=1+1<script>\u202eREADINGS.csv"
    (tmp_path / name).write_text("\n".join(map(str, VALUES)), encoding="utf-8")
    options = ("--no-visualization", "--format", "quiet", "--snapshot-on-anomaly", "--images", "pictures")
    done = run(name, tmp_path, *options, "--log", "a.log", "--report", "r.csv", "--summary", "s.html")
    err = done.stderr.decode()
    assert (done.returncode, "Traceback" in err) == (0, False)
    assert list((tmp_path / "pictures").iterdir())
    written = [done.stdout.decode(), err, *((tmp_path / file).read_text() for file in ("a.log", "r.csv", "s.html"))]
    assert not [found for text in written for found in FORGING.findall(text)]
    page = written[-1]
    assert "\\x1b[31m\\x9b1m\\n=1+1&lt;script&gt;\\u202eREADINGS.csv" in page
    done = run(name + "none", tmp_path, "--no-visualization")
    assert (done.returncode, done.stderr.count(b"\n")) == (1, 1)
    assert not FORGING.search(done.stderr.decode())


def test_what_a_source_holds_forges_nothing_in_messages(tmp_path):
    evil = ['\x1b]0;owned\x07,\x1b[2J,"\n', "1\x00,\x9b1m,\u202e\n", "<script>,=cmd|' /C calc'!A1,x\n", "\r1,2,3\n"]
    rows = [f"{value},{value},normal\n" for value in VALUES]
    header = "value\x1b[31m,\u202etime=,label\n"
    (tmp_path / "evil.csv").write_text(header + "".join(rows[:50] + evil + rows[50:]), encoding="utf-8")
    options = ("--no-visualization", "--format", "json", "--log", "a.log", "--column", "1")
    for columns in ([], ["--column", "value\x1b[31m", "--label-column", "label"], ["--column", "\x1b[1m"]):
        done = run("evil.csv", tmp_path, *options[:-2], *columns)
        assert b"Traceback" not in done.stderr
        assert not FORGING.search(done.stderr.decode() + done.stdout.decode())


@pytest.mark.skipif(os.name == "nt", reason="a shell's words")
def test_the_command_gets_data_as_data_and_no_password(tmp_path):
    (tmp_path / "in.txt").write_text("\n".join(map(str, VALUES)), encoding="utf-8")
    code = "import os, sys; print(sys.argv[1:], [n for n in os.environ if 'STREAMFOREST' in n])"
    code += "; open('got', 'a').write(sys.stdin.read())"
    command = shlex.join([sys.executable, "-c", code, "$(touch owned)", "; touch owned", "`touch owned`", "%s"])
    secrets = {"STREAMFOREST_USER": "ann", "STREAMFOREST_PASSWORD": "the-secret"}
    done = run("in.txt", tmp_path, "--no-visualization", "--format", "json", "--on-anomaly", command, **secrets)
    assert done.returncode == 0
    assert b"['$(touch owned)', '; touch owned', '`touch owned`', '%s'] ['STREAMFOREST_EPISODE_ID']" in done.stderr
    assert not (tmp_path / "owned").exists()
    assert {json.loads(line)["is_anomaly"] for line in (tmp_path / "got").read_text().splitlines()} == {True}
    assert b"the-secret" not in done.stderr + done.stdout


def test_no_file_is_written_outside_the_folders_named(tmp_path):
    """Every file that Python opens to write, renames or makes, by its own audit of the run."""
    (tmp_path / "in.txt").write_text("\n".join(map(str, VALUES)), encoding="utf-8")
    script = tmp_path / "audited.py"
    script.write_text(
        f"""
import os, runpy, sys
seen = open({str(tmp_path / "seen")!r}, "a")
def note(event, arguments):
    writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    if writes or event in {{"os.mkdir", "os.rename", "os.link", "os.symlink"}}:
        name = arguments[1] if event in {{"os.rename", "os.link", "os.symlink"}} else arguments[0]
        if isinstance(name, (str, bytes, os.PathLike)):
            seen.write(os.path.abspath(os.fsdecode(name)) + chr(10))
            seen.flush()
sys.addaudithook(note)
sys.argv[0] = {str(PROJECT / "main.py")!r}
sys.path.insert(0, {str(PROJECT)!r})
runpy.run_path(sys.argv[0], run_name="__main__")
""",
        encoding="utf-8",
    )
    folder = tmp_path / "here"
    folder.mkdir()
    options = ("--no-visualization", "--snapshot-on-anomaly", "--images", "pictures", "--log", "a.log")
    done = run("../in.txt", folder, *options, "--report", "r.csv", "--summary", "s.html", script=script)
    assert done.returncode == 0, done.stderr
    # beside these: what numba and matplotlib keep of their own
    caches = re.compile(r"/__pycache__/|/\.cache/|/matplotlib|^/dev/|/numba")
    written = {path for path in (tmp_path / "seen").read_text().splitlines() if not caches.search(path)}
    outside = {path for path in written if not Path(path).is_relative_to(folder)} - {str(tmp_path / "seen")}
    assert any(path.endswith("a.log") for path in written)
    assert not outside


@pytest.fixture
def serve():
    """A server on the loopback that notes what it is asked and sends on to another one."""
    servers = []

    def serve(location):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                server.asked.append((self.path, self.headers.get("Authorization")))
                self.send_response(302 if location else 200)
                if location:
                    self.send_header("Location", location)
                self.end_headers()
                self.wfile.write(b'{"data": {"resultType": "scalar", "result": [1, "5"]}}')

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.asked, server.place = [], f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
        return server

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_password_is_never_sent_on_to_another_server(serve):
    other = serve("")
    first = serve(f"{other.place}/stolen")
    place = first.place.replace("http://", "http://ann:secret@")
    source, stop = PrometheusSource(f"prometheus:{place}?query=up", lambda _line: None, interval=0.05), StopFlag()
    threading.Timer(0.5, stop.request).start()
    with suppress(SourceError):  # where 10 s have passed
        list(source.read(stop, 10))
    assert first.asked
    assert first.asked[0][1].startswith("Basic ")
    assert other.asked == []
    stop.close()


def test_strangers_who_send_anything_to_the_page_are_refused_and_not_heard_of(tmp_path):
    options = ("--view", "browser", "--log", "none", "--delay", "0.01", "--detector", "z-score", "--format", "quiet")
    with started(
        [*MAIN, *options],
        **{"cwd": tmp_path, "stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE},
        text=True,
    ) as process:
        address = next(line for line in process.stderr if line.startswith("page: ")).split()[1]
        port, token = int(address.split(":")[2].split("/")[0]), address.partition("=")[2]
        listening = subprocess.run(["ss", "-Hltn", f"sport = :{port}"], capture_output=True, text=True, check=False)
        assert not listening.stdout or listening.stdout.split()[3] == f"127.0.0.1:{port}"
        own = f"Host: 127.0.0.1:{port}\r\n"
        requests = [
            *(f"GET / HTTP/1.1\r\n{own}\r\n", f"GET /?token={token[:-1]} HTTP/1.1\r\n{own}\r\n"),
            f"GET /?token={token}%ff HTTP/1.1\r\n{own}\r\n",
            f"GET /?token={token} HTTP/1.1\r\nHost: evil.example:{port}\r\n\r\n",
            f"GET /?token={token} HTTP/1.1\r\n{own}Origin: http://evil.example\r\n\r\n",
            f"GET /live?token={token} HTTP/1.1\r\n{own}Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
            f"OPTIONS /?token={token} HTTP/1.1\r\n{own}Origin: http://evil.example\r\n\r\n",
            *("\x16\x03\x01\x1b[31m\x00\xff\r\n\r\n", "GET \x1b]0;x\x07 HTTP/1.1\r\n\r\n"),
            f"POST /?token={token} HTTP/1.1\r\n{own}Content-Length: 99999999999\r\n\r\n",
        ]
        for request in requests:
            with socket.create_connection(("127.0.0.1", port), 10) as caller:
                caller.sendall(request.encode("latin-1"))
                answer = caller.recv(4096)
            assert not answer.startswith(b"HTTP/1.1 2"), request
            assert b"Access-Control" not in answer
            assert token.encode() not in answer
        process.terminate()
        said = process.stderr.read()
        assert process.wait(timeout=30) == 0
    assert token not in said
    assert not FORGING.search(said)
    assert "Traceback" not in said

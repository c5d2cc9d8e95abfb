"""Hostile lines between good rows through every way in: no crash, no hang, bounded memory, all good rows judged."""

from __future__ import annotations

import argparse
import http.server
import json
import math
import os
import random
import re
import shutil
import socket
import string
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

LINES, ANSWERS = 1_000_000, 20_000
SERIES = 100  # in an answer that has many
GOOD_EVERY = 5  # lines from one good row to the next
FIRST = 30  # good rows that come before all else: the columns are told by them
START = 1_704_067_200  # time of the first good row; the others follow minute by minute
AHEAD = 500  # good rows that a broker is given before the first of them has been judged
HANG = 60.0  # seconds without a good row after which a run is taken to hang; before the first it may compile
MOST_GROWTH = 24.0  # MB of the second half of a run over the first
LIMIT = 1000  # MB that a run with keys without end may take
HONEST = 20  # streams of the good rows among them
NEW_KEYS, LIES = 0.3, 0.01  # share of the lines with a key that was never there, and with a time far ahead
SILENCE = 60  # seconds after which a stream is dropped
#: What no text for people may hold.
FORGING = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xa8-\xae\x8e\x8f]|\xe2\x81[\xa6-\xa9]")
NUMBER = re.compile(r'"value":([^,]*),')
INDEX = re.compile(rb'"index":(\d+),')

WORDS = [
    *(
        b"nan",
        b"inf",
        b"-inf",
        b"1e999",
        b"-1e308",
        b"1e308",
        b"5e-324",
        b"1_000",
        b"0x10",
        b"+-1",
        b"--5",
        b"1e",
        b".",
    ),
    *(word.encode() for word in ("\u0661\u0662", "\uff11", "\u00bd", "1\u00a0000", "\u22121", "\u202e12", "\u2028")),
    *(
        b"\x1b[31mred\x1b[0m",
        b"\x1b]0;title\x07",
        b"\x9b1m",
        b"\x00",
        b"\x08\x08",
        b"\x0c",
        b"\x1a",
        b"\x7f",
        b"\r",
        b"\r1",
    ),
    *(
        b"=cmd|'/c calc'!A1",
        b"@SUM(1)",
        b"+1+1",
        b"-2+3",
        b"$(reboot)",
        b"`id`",
        b"'; drop table x; --",
        b"../../etc/passwd",
    ),
    *(
        b"<script>alert(1)</script>",
        b"${jndi:ldap://x}",
        b"$\\frac{1}{0}$",
        b"%s%n%x",
        b"{}",
        b"{0}",
        b"[]",
        b'"',
        b'""',
        b"'",
    ),
    *(
        b"{",
        b"}",
        b'{"value"',
        b'{"value": NaN}',
        b'{"value": Infinity}',
        b'{"value": {"value": 1}}',
        b'{"a": "\\ud800"}',
    ),
    *(
        b'{"value": true}',
        b'{"value": 1, "value": 2}',
        b"null",
        b"[1, 2]",
        b"\xff\xfe1\x00",
        b"\xef\xbb\xbf7",
        b"\xc0\x80",
    ),
    *(b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"\x1f\x8b\x08\x00", b"PK\x03\x04", b"\x80\x04\x95cos", b",,,,,"),
    *(
        b";",
        b"|",
        b"\t",
        b" ",
        b"",
        b"time,value",
        b"value,time",
        b"#",
        b"\\",
        b"\\x41",
        b"1,2,3,4,5,6,7,8,9",
        b"9" * 400,
    ),
    *(
        b"1" * 5000,
        b"[" * 20_000,
        b'{"a":' * 20_000,
        b"1," * 20_000,
        b"\xf0\x9f\x92\xa9" * 100,
        b"A" * 70_000,
        b"0" * 65_537,
    ),
]
#: Times that no clock has; some can be read, most cannot.
TIMES = [
    b"9999-12-31T23:59:59Z",
    b"253402300800",
    b"4e9",
    b"1e308",
    b"-1",
    b"0",
    b"0000-00-00",
    b"2024-02-30",
    b"1e-300",
]


class Hostile:
    """Lines that a program might choke on; the same ones for the same seed.

    Parameters
    ----------
    seed : int
        Of the generator.
    has_times : bool
        Whether good rows have two cells, a time and a value, or the value alone.
    """

    def __init__(self, seed: int, has_times: bool) -> None:
        self._rng = random.Random(seed)
        self._has_times = has_times
        self._ways = [self._word, self._word, self._bytes, self._printable, self._number, self._torn, self._mixed]
        self._ways += [self._object] + [self._timed] * has_times
        self._row = b"1"

    def good(self, k: int) -> bytes:
        """The k-th good row; its value tells k."""
        self._row = b"%d,%d.25" % (START + 60 * k, k) if self._has_times else b"%d.25" % k
        return self._row

    def line(self) -> bytes:
        """One hostile line without its end."""
        return self._rng.choice(self._ways)().replace(b"\n", b" ")

    def _word(self) -> bytes:
        # the long ones are rare: there are other things to try
        word = self._rng.choice(WORDS)
        return word if len(word) < 1000 or self._rng.random() < 0.02 else word[:20]

    def _bytes(self) -> bytes:
        return self._rng.randbytes(self._rng.randrange(60))

    def _printable(self) -> bytes:
        return "".join(self._rng.choices(string.printable, k=self._rng.randrange(40))).encode()

    def _number(self) -> bytes:
        signs = self._rng.choices("0123456789.eE+-_, ;", k=self._rng.randrange(1, 16))
        return "".join(signs).encode()

    def _torn(self) -> bytes:
        row = bytearray(self._row)
        for _ in range(self._rng.randrange(1, 4)):
            row[self._rng.randrange(len(row))] = self._rng.randrange(256)
        return bytes(row[: self._rng.randrange(len(row) + 1)])

    def _mixed(self) -> bytes:
        return self._rng.choice([b",", b";", b"\t", b" ", b"|"]).join(self._word()[:50] for _ in range(3))

    def _object(self) -> bytes:
        found = {"value": self._rng.choice([1e308, None, "x", [], {}, True, 10**400, "\x1b[31m", -5.5])}
        with suppress(ValueError):
            return json.dumps(found).encode()
        return b"{}"

    def _timed(self) -> bytes:
        return self._rng.choice(TIMES) + b",%d" % self._rng.randrange(100)


def lines(hostile: Hostile, n: int) -> Iterator[tuple[bytes, bool]]:
    """N hostile lines with good rows between them, and whether each is a good one."""
    for k in range(FIRST):
        yield hostile.good(k), True
    for k in range(n):
        yield hostile.line(), False
        if k % GOOD_EVERY == 0:
            yield hostile.good(FIRST + k // GOOD_EVERY), True


def keyed_lines(n: int, seed: int) -> Iterator[tuple[bytes, bool]]:
    """N lines of new keys and of liars with the good rows of HONEST streams between, and whether each is a good one.

    A new key is heard a few times and never again. Liars tell times of the year 4096: some of them are known for long,
    the others are new. A good row's value tells its number.
    """
    rng, fresh, good, time = random.Random(seed), 0, 0, float(START)
    for k in range(n + FIRST):
        time += 0.01
        if k < FIRST or k % GOOD_EVERY == 0:
            yield b"%.2f,%d.25,honest %d" % (time, good, good % HONEST), True
            good += 1
        if k < FIRST:
            continue
        fresh += rng.random() < NEW_KEYS
        if rng.random() < LIES:
            key = b"liar %d" % rng.randrange(10) if rng.random() < 0.5 else b"new liar %d" % k
            yield b"67100000000,%.3f,%b" % (rng.random(), key), False
        else:
            yield b"%.2f,%.3f,key %d" % (time, rng.random(), fresh), False


class Outcome(NamedTuple):
    """What became of one way in: hostile lines, good rows, seconds, peak memory in MB, and what is wrong."""

    way: str
    lines: int
    good: int
    judged: int
    points: int
    seconds: float
    memory: float
    wrong: str


class Judged:
    """main.py on one source, and what it prints, checked as it comes."""

    def __init__(self, source: str, folder: Path, *options: str, limit: float = math.inf, **pipes: Any) -> None:
        command = [sys.executable, str(PROJECT / "main.py"), source, "--format", "json", "--delay", "0"]
        command += ["--no-visualization", "--log", "a.log", "--report", "r.csv", *options]
        self.folder, self.judged, self.points, self.wrong = folder, 0, 0, ""
        self._memory: list[float] = []
        self._limit = limit  # MB; without one the memory may not grow
        self.index = -1  # of the newest good row in its stream
        with (folder / "said").open("wb") as said:
            self.program = subprocess.Popen(
                command, cwd=folder, stdout=subprocess.PIPE, stderr=said, **{"stdin": subprocess.DEVNULL, **pipes}
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        """Count the good rows that were judged, in order; look at the program's memory now and then."""
        assert self.program.stdout is not None
        with self.program.stdout as printed:
            for line in printed:
                found = NUMBER.search(line.decode())
                if self.points % 20 == 0 or found is None:
                    try:
                        json.loads(line, parse_constant=lambda word: [][word])  # type: ignore[call-overload]
                    except (ValueError, TypeError):
                        self.wrong = f"no JSON: {line!r}"
                    self._look()
                self.points += 1
                if found is not None and found[1] == f"{self.judged}.25":
                    self.judged += 1
                    index = INDEX.search(line)
                    self.index = int(index[1]) if index else -1

    def _look(self) -> None:
        with suppress(OSError, ValueError):
            pages = int(Path(f"/proc/{self.program.pid}/statm").read_text().split()[1])
            self._memory.append(pages * os.sysconf("SC_PAGE_SIZE") / 2**20)

    def has_judged(self, good: int) -> bool:
        """Wait until so many good rows were judged; False where none has been for HANG seconds."""
        known, since = self.judged, time.monotonic()
        while self.judged < good:
            if self.judged != known:
                known, since = self.judged, time.monotonic()
            if time.monotonic() - since > HANG * (1 if known else 3) or self.program.poll() is not None:
                return False
            time.sleep(0.002)
        return True

    def outcome(self, way: str, sent: int, good: int, began: float, *, is_endless: bool) -> Outcome:
        """End the run, or wait for its end, and say what is wrong with it."""
        hung = not self.has_judged(good)
        seconds = time.monotonic() - began
        if is_endless:
            self.program.terminate()
        try:
            code = self.program.wait(HANG)
        except subprocess.TimeoutExpired:
            self.program.kill()
            code = -9
        self._reader.join(HANG)
        said = (self.folder / "said").read_bytes()
        paths = [self.folder / name for name in ("a.log", "r.csv")]
        files = b"".join(path.read_bytes() for path in paths if path.exists())
        half = len(self._memory) // 2
        growth = max(self._memory[half:], default=0.0) - max(self._memory[: half or 1], default=0.0)
        # a run that comes to its end with more than half of the readings refused says so with 1, as it shall here
        has_failed = code != 0 and not (code == 1 and b"readings were refused, more than half" in said)
        faults = {
            "good rows are missing": hung and self.judged < good,
            f"exit code {code}": has_failed,
            "a traceback": b"Traceback" in said,
            f"it says {said[-300:]!r}": has_failed,
            "control characters in what it says or writes": bool(FORGING.search(said) or FORGING.search(files)),
            f"memory grows by {growth:.0f} MB": self._limit == math.inf and growth > MOST_GROWTH,
            f"more than {self._limit} MB": max(self._memory, default=0.0) > self._limit,
        }
        wrong = self.wrong or "; ".join(fault for fault, is_so in faults.items() if is_so)
        return Outcome(way, sent, good, self.judged, self.points, seconds, max(self._memory, default=0.0), wrong)


def through_file(n: int, seed: int, folder: Path, *options: str) -> Outcome:
    """A CSV file, read once."""
    good = write_lines(folder / "in.csv", n, seed, has_times=True)
    began = time.monotonic()
    return Judged("in.csv", folder, *options).outcome("file", n, good, began, is_endless=False)


def write_lines(path: Path, n: int, seed: int, has_times: bool) -> int:
    """Write hostile lines; returns how many good rows are among them."""
    good = 0
    with path.open("wb") as file:
        for line, is_good in lines(Hostile(seed, has_times), n):
            file.write(line + b"\n")
            good += is_good
    return good


def through_standard_input(n: int, seed: int, folder: Path, *options: str) -> Outcome:
    """One number a line through a pipe."""
    good = write_lines(folder / "in.txt", n, seed, has_times=False)
    began = time.monotonic()
    with (folder / "in.txt").open("rb") as file, subprocess.Popen(["cat"], stdin=file, stdout=subprocess.PIPE) as cat:
        return Judged("-", folder, *options, stdin=cat.stdout).outcome("-", n, good, began, is_endless=False)


def through_followed_file(n: int, seed: int, folder: Path, *options: str) -> Outcome:
    """A file that grows piece by piece, not at the ends of lines, and is rotated at half way."""
    rng, path = random.Random(seed), folder / "in.csv"
    path.touch()
    began = time.monotonic()
    run = Judged("in.csv", folder, "--follow", *options)
    good, file, pending = 0, path.open("ab", buffering=0), b""
    for k, (line, is_good) in enumerate(lines(Hostile(seed, has_times=True), n)):
        good += is_good
        pending += line + b"\n"
        if len(pending) > 30_000:
            cut = rng.randrange(len(pending))
            file.write(pending[:cut])
            pending = pending[cut:]
            if not run.has_judged(good - 20 * AHEAD):
                break
        if k == n // 2:
            file.write(pending)
            pending = b""
            if not run.has_judged(good):
                break
            path.rename(folder / "in.csv.1")
            file.close()
            file = path.open("ab", buffering=0)
    file.write(pending)
    file.close()
    return run.outcome("--follow", n, good, began, is_endless=True)


def paced(run: Judged, n: int, seed: int, send: Callable[[bytes], None]) -> int:
    """Send messages no faster than they are judged; returns the number of good ones."""
    good = 0
    for line, is_good in lines(Hostile(seed, has_times=False), n):
        send(line)
        good += is_good
        if is_good and good % 100 == 0 and not run.has_judged(good - AHEAD):
            break
    return good


def through_mqtt(n: int, seed: int, folder: Path, *options: str) -> Outcome:
    """Messages of a topic of a real mosquitto."""
    import paho.mqtt.client as paho  # noqa: PLC0415 - optional

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    path = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if path is None:
        raise ImportError("mosquitto is not installed")
    (folder / "conf").write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nuser root\nmax_queued_messages 0\n"
    )
    with subprocess.Popen(
        [path, "-c", str(folder / "conf")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        try:
            wait_for_port(port)
            began = time.monotonic()
            run = Judged(f"mqtt://127.0.0.1:{port}/room/+", folder, *options)
            client = paho.Client(paho.CallbackAPIVersion.VERSION2)
            client.connect("127.0.0.1", port)
            client.loop_start()
            probe = Hostile(seed, has_times=False)
            while not run.points and run.program.poll() is None:  # until the run has subscribed
                client.publish("room/1", probe.good(0), 1).wait_for_publish(10)
                time.sleep(0.1)
            rng = random.Random(seed)
            topics = ["room/1", "room/\u202eevil", "room/$(reboot)", "room/[31m", "room/ 1"]

            def send(line: bytes) -> None:
                client.publish(rng.choice(topics), line, 1)

            good = paced(run, n, seed, send)
            outcome = run.outcome("mqtt", n, good, began, is_endless=True)
            client.disconnect()
            client.loop_stop()
            return outcome
        finally:
            server.kill()


def wait_for_port(port: int) -> None:
    """Wait until a server is there."""
    for _ in range(200):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.5):
            return
        time.sleep(0.05)
    raise SystemExit(f"nothing serves port {port}")


def through_kafka(n: int, seed: int, folder: Path, *options: str) -> Outcome:
    """Messages of a topic of the client library's own cluster."""
    import confluent_kafka  # noqa: PLC0415 - optional

    producer = confluent_kafka.Producer({"test.mock.num.brokers": 1, "log_level": 0, "linger.ms": 1})
    (broker,) = producer.list_topics(timeout=10).brokers.values()
    producer.produce("a", b"", partition=0)
    producer.flush(10)
    began = time.monotonic()
    run = Judged(f"kafka://{broker.host}:{broker.port}/a?offset=earliest&partition=0", folder, *options)

    def send(line: bytes) -> None:
        while True:
            try:
                producer.produce("a", line, partition=0)
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)

    good = paced(run, n, seed, send)
    producer.flush(10)
    return run.outcome("kafka", n, good, began, is_endless=True)


@contextmanager
def answering(answer: Callable[[str], tuple[int, bytes]]) -> Iterator[str]:
    """A server on the loopback; gives its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, body = answer(self.path)
            with suppress(OSError):
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def through_prometheus(n: int, seed: int, folder: Path, *options: str) -> Outcome:
    """Answers of a server, as fast as they are asked for."""
    rng, hostile, sent = random.Random(seed), Hostile(seed, has_times=False), [0, 0]

    def good() -> bytes:
        sent[1] += 1
        at, value = START + 60 * (sent[1] - 1), hostile.good(sent[1] - 1).decode()
        return json.dumps({"data": {"resultType": "scalar", "result": [at, value]}}).encode()

    def evil() -> bytes:
        word = hostile.line()
        text = word.decode(errors="replace")
        kind = rng.choice(["vector", "scalar", "matrix", "string", text])
        shapes: list[Any] = [
            {"data": {"resultType": kind, "result": [rng.choice([1e999, -1, text, None, 10**30]), text]}},
            {
                "data": {
                    "resultType": "vector",
                    "result": [{"metric": {text: text}, "value": [1, text]}] * rng.randrange(4),
                }
            },
            {"data": {"resultType": kind, "result": rng.choice([None, text, [], {}, 5])}},
            {"data": rng.choice([None, [], text])},
            {"status": "error", "error": text},
        ]
        return word if rng.random() < 0.3 else json.dumps(rng.choice(shapes)).encode()

    def answer(_path: str) -> tuple[int, bytes]:
        if sent[0] >= n:
            return 200, b'{"data": {"resultType": "vector", "result": []}}'
        if sent[1] < FIRST or rng.random() < 1 / GOOD_EVERY:
            return 200, good()
        sent[0] += 1
        # after each fault the program waits longer: a few tell as much as many
        return rng.choice([500, 503, 404]) if sent[0] in (n // 3, 2 * n // 3) else 200, evil()

    with answering(answer) as address:
        began = time.monotonic()
        run = Judged(f"prometheus:{address}?query=up", folder, "--interval", "0.01", *options)
        while sent[0] < n and run.program.poll() is None:
            time.sleep(0.1)
        return run.outcome("prometheus", n, sent[1], began, is_endless=True)


def through_many_series(n: int, seed: int, folder: Path, *options: str) -> Outcome:
    """Answers with many series, each a hostile sample, and the good one's sample in every GOOD_EVERY-th answer."""
    rng, hostile, sent = random.Random(seed), Hostile(seed, has_times=False), [0, 0]
    words = [hostile.line().decode(errors="replace") for _ in range(SERIES)]

    def good() -> dict[str, Any]:
        at, value = START + 60 * sent[1], hostile.good(sent[1]).decode()
        sent[1] += 1
        return {"metric": {"name": "good"}, "value": [at, value]}

    def evil(word: str) -> Any:
        text = hostile.line().decode(errors="replace")
        at = rng.choice([START + 60 * sent[1], 1e999, -1, text, None])
        return rng.choice(
            [
                {"metric": {"name": word}, "value": [at, text]},
                {"metric": {"name": word}, "value": [START + 60 * sent[1], rng.choice(["1e999", "nan", "5", text])]},
                {"metric": {text: word}, "value": [at, "1"]},
                {"metric": {"name": word}, "value": rng.choice([[], None, text, [1, 2, 3], {}])},
            ]
        )

    def answer(_path: str) -> tuple[int, bytes]:
        if sent[0] >= n:
            return 200, b'{"data": {"resultType": "vector", "result": []}}'
        is_good = sent[1] < FIRST or rng.random() < 1 / GOOD_EVERY
        result = [evil(word) for word in dict.fromkeys(words)] if sent[1] >= FIRST else []
        sent[0] += len(result)
        result.insert(rng.randrange(len(result) + 1), good()) if is_good else None
        return 200, json.dumps({"data": {"resultType": "vector", "result": result}}).encode()

    with answering(answer) as address:
        began = time.monotonic()
        words_of_run = ("--interval", "0.01", "--key-column", "name")
        run = Judged(f"prometheus:{address}?query=up", folder, *words_of_run, *options)
        while sent[0] < n and run.program.poll() is None:
            time.sleep(0.1)
        return run.outcome("many series", n, sent[1], began, is_endless=True)


def through_many_keys(n: int, seed: int, folder: Path, *options: str) -> Outcome:
    """A file of streams without end, which are dropped after their silence: no reading but the liars' is refused."""
    return _keyed(n, seed, folder, "--drop-after", str(SILENCE), *options)


def through_too_many_keys(n: int, seed: int, folder: Path, *options: str) -> Outcome:
    """A file of streams without end, which all stay: those that came first lose nothing."""
    return _keyed(n, seed, folder, *options)


def _keyed(n: int, seed: int, folder: Path, *options: str) -> Outcome:
    good = lies = 0
    with (folder / "in.csv").open("wb") as file:
        file.write(b"time,value,key\n")
        for line, is_good in keyed_lines(n, seed):
            file.write(line + b"\n")
            good += is_good
            lies += b"liar" in line
    columns = ("--column", "value", "--time-column", "time", "--key-column", "key")
    began = time.monotonic()
    run = Judged("in.csv", folder, *columns, "--memory-limit", str(LIMIT), *options, limit=LIMIT)
    drops = "--drop-after" in options
    outcome = run.outcome("many keys" if drops else "too many keys", n, good, began, is_endless=False)
    last, lost = (good - 1) // HONEST, n + good - lies - outcome.points
    faults = {
        f"an honest stream began anew: its last reading is the {run.index}-th, not the {last}-th": run.index != last,
        f"{lost:,} readings that are no liar's were refused": drops and lost > 0,
    }
    wrong = [outcome.wrong, *(fault for fault, is_so in faults.items() if is_so)]
    return outcome._replace(wrong="; ".join(filter(None, wrong)))


WAYS: dict[str, Callable[..., Outcome]] = {
    "file": through_file,
    "-": through_standard_input,
    "--follow": through_followed_file,
    "mqtt": through_mqtt,
    "kafka": through_kafka,
    "prometheus": through_prometheus,
    "many series": through_many_series,
    "many keys": through_many_keys,
    "too many keys": through_too_many_keys,
}
POLLED = {"prometheus"}  # asked for one by one, a hundred a second at most


def attack(way: str, n: int, seed: int, *options: str) -> Outcome:
    """Send n hostile lines one way to main.py with these options."""
    with tempfile.TemporaryDirectory() as folder:
        return WAYS[way](n, seed, Path(folder), *options)


def row(outcome: Outcome) -> str:
    """An outcome as a line of the table."""
    way, sent, good, judged, points, seconds, memory, wrong = outcome
    return f"{way:<14}{sent:>11,}{good:>10,}{judged:>10,}{points:>11,}{seconds:>9.0f}{memory:>11.0f}  {wrong or 'well'}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 1 where something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ways", nargs="*", help=f"of {', '.join(WAYS)} (default: all; put - behind --)")
    parser.add_argument("--lines", type=int, default=LINES, help=f"hostile ones, each way (default {LINES:,})")
    parser.add_argument("--answers", type=int, default=ANSWERS, help=f"where they are asked for (default {ANSWERS:,})")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(arguments)
    is_well = True
    print(f"{'way in':<14}{'hostile':>11}{'good':>10}{'judged':>10}{'points':>11}{'seconds':>9}{'memory, MB':>11}")
    for way in asked.ways or WAYS:
        try:
            outcome = attack(way, asked.answers if way in POLLED else asked.lines, asked.seed)
        except ImportError as error:
            print(f"{way:<14}left out: {error}")
            continue
        print(row(outcome), flush=True)
        is_well = is_well and not outcome.wrong
    return 0 if is_well else 1


if __name__ == "__main__":
    sys.exit(main())

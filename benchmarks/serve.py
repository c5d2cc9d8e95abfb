"""Readings posted over HTTP: how many a second and what each costs; and whether kills lose any of them."""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from itertools import count
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
#: Seconds within which the program must answer after its start: it may compile first.
START = 600.0
#: Seconds that a batch may take.
PATIENCE = 120.0
BATCH, STREAMS, CLIENTS = 1000, 100, 4


class Program:
    """``streamforest serve`` in a folder, which can be killed and started again."""

    def __init__(self, folder: Path, *options: str) -> None:
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port: int = found.getsockname()[1]
        self._tokens = folder / "token"
        self._command = [
            *(sys.executable, str(PROJECT / "main.py"), "serve", "--port", str(self.port), "--log", "none"),
            *("--token-file", str(self._tokens), "--format", "quiet", *options),
        ]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.process = subprocess.Popen(
            self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
        )
        ends = time.monotonic() + START
        while True:
            with suppress(OSError, http.client.HTTPException):
                if self.ask("GET", "/streams")[0] == 200:
                    return
            if self.process.poll() is not None or time.monotonic() > ends:
                raise RuntimeError("the program does not serve")
            time.sleep(0.05)

    def kill(self) -> None:
        """End it with nothing said."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def link(self) -> http.client.HTTPConnection:
        """A connection that is made with the first request."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)

    def ask(self, method: str, path: str, body: bytes | None = None, **names: str) -> tuple[int, Any]:
        """Status and content of the answer to a request on a connection of its own."""
        with closing(self.link()) as link:
            return self.ask_on(link, method, path, body, **names)

    def ask_on(
        self, link: http.client.HTTPConnection, method: str, path: str, body: bytes | None = None, **names: str
    ) -> tuple[int, Any]:
        """Status and content of the answer to a request."""
        token = self._tokens.with_name("token.act").read_text(encoding="ascii").strip()
        headers = {name.replace("_", "-"): text for name, text in names.items()}
        link.request(method, path, body, {"Authorization": f"Bearer {token}", **headers})
        answer = link.getresponse()
        return answer.status, json.loads(answer.read() or b"null")

    def seconds(self) -> float:
        """Of a processor that it took so far."""
        assert self.process is not None
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def json_body(rows: Sequence[tuple[str, int, float]]) -> bytes:
    """A batch of JSON."""
    return json.dumps([{"key": key, "time": time, "value": value} for key, time, value in rows]).encode()


def line_body(rows: Sequence[tuple[str, int, float]]) -> bytes:
    """The same as line protocol."""
    return "\n".join(f"load,host={key} value={value} {time}000000000" for key, time, value in rows).encode()


def csv_body(rows: Sequence[tuple[str, int, float]]) -> bytes:
    """The same as CSV."""
    return "\n".join(("time,key,value", *(f"{time},{key},{value}" for key, time, value in rows))).encode()


BODIES = {"JSON": json_body, "line protocol": line_body, "CSV": csv_body}


def batches_of(client: int, n: int) -> Iterator[list[tuple[str, int, float]]]:
    """So many batches of a client, each with as many readings of each of its streams: key, time and value."""
    rng = random.Random(client)
    for batch in range(n):
        yield [
            (f"s{client}-{i % STREAMS}", 1_700_000_000 + (batch * BATCH + i) // STREAMS, rng.gauss(20, 1))
            for i in range(BATCH)
        ]


def speed(program: Program, batches: int, body_of: Callable[[Sequence[Any]], bytes]) -> tuple[float, float]:
    """Readings a second, and microseconds of a processor that each costs the program."""
    bodies = [[body_of(rows) for rows in batches_of(at, batches // CLIENTS)] for at in range(CLIENTS)]
    faults: list[str] = []

    def post(bodies: list[bytes]) -> None:
        with closing(program.link()) as link:
            for body in bodies:
                status, found = program.ask_on(link, "POST", "/readings", body)
                if status != 200 or found["points"] != BATCH:
                    faults.append(f"{status}: {found}")

    for own in bodies:
        post(own[:1])  # compiles, and makes the streams
    before, began = program.seconds(), time.monotonic()
    threads = [threading.Thread(target=post, args=(own[1:],)) for own in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    passed = time.monotonic() - began
    if faults:
        raise RuntimeError(f"{len(faults)} batches were not judged: {faults[0]}")
    n = BATCH * sum(len(own) - 1 for own in bodies)
    return n / passed, 1e6 * (program.seconds() - before) / n


class Clients:
    """Clients that each send batch after batch, and a batch again until it is answered."""

    def __init__(self, program: Program, clients: int, with_keys: bool = True) -> None:
        self._program, self._stop, self._with_keys = program, threading.Event(), with_keys
        self.sent = [0] * clients  # readings that were answered
        self.again = 0
        self._threads = [threading.Thread(target=self._send, args=(at,)) for at in range(clients)]
        for thread in self._threads:
            thread.start()

    def _send(self, at: int) -> None:
        rng = random.Random(at)
        for batch in count():
            n = rng.randint(1, 300)
            key = {"key": f"client {at}"} if self._with_keys else {}
            rows = [{**key, "value": rng.gauss(0, 1)} for _ in range(n)]
            while not self._is_sent(json.dumps(rows).encode(), at, batch):
                self.again += 1
                time.sleep(0.05)
            self.sent[at] += n
            if self._stop.is_set():
                return

    def _is_sent(self, body: bytes, at: int, batch: int) -> bool:
        with suppress(OSError, http.client.HTTPException, ValueError):
            names = {"Idempotency_Key": str(batch), "X_Client": f"client {at}"}
            return self._program.ask("POST", "/readings", body, **names)[0] == 200
        return False

    def end(self) -> None:
        """Let each client have its last batch answered."""
        self._stop.set()
        for thread in self._threads:
            thread.join()


def kills(program: Program, n: int, seed: int, clients: int = 3) -> tuple[int, int, int]:
    """Readings that were sent, readings that are in the streams, and batches that were sent again."""
    rng = random.Random(seed)
    program.start()
    sending = Clients(program, clients)
    for _ in range(n):
        time.sleep(rng.uniform(0.2, 3.0))
        program.kill()
        program.start()
    sending.end()
    judged = 0
    for at in range(clients):
        body = json.dumps({"key": f"client {at}", "value": 0}).encode()
        judged += program.ask("POST", "/readings?verdicts=all", body)[1]["verdicts"][0]["index"]
    program.kill()
    return sum(sending.sent), judged, sending.again


def main(arguments: Sequence[str]) -> int:
    """Measure and print; 1 where a reading was lost or judged twice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, default=300, help="of 1,000 readings, for each form")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        if asked.batches:
            for name, body_of in BODIES.items():
                for kept in (False, True):
                    path = Path(folder) / f"{name} {kept}"
                    path.mkdir()
                    options = ("--checkpoint", str(path / "checkpoint")) if kept else ()
                    program = Program(path, "--key-column", "key", *options)
                    program.start()
                    try:
                        rate, cost = speed(program, asked.batches, body_of)
                    finally:
                        program.kill()
                    disk = "on the disk" if kept else "in memory"
                    print(
                        f"{name}, {disk}: {rate:,.0f} readings a second, {cost:.1f} us of a processor each", flush=True
                    )
        if not asked.kills:
            return 0
        path = Path(folder) / "kills"
        path.mkdir()
        program = Program(
            path, "--key-column", "key", "--checkpoint", str(path / "checkpoint"), "--checkpoint-every", "0.5"
        )
        sent, judged, again = kills(program, asked.kills, asked.seed)
        print(f"{asked.kills} kills: {sent:,} readings answered, {judged:,} judged, {again:,} batches sent again")
        return int(sent != judged)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

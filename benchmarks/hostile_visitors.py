"""Visitors who want to do harm: connections, unread sockets and asks by the thousand, and what a run makes of them."""

from __future__ import annotations

import argparse
import base64
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

PROJECT = Path(__file__).resolve().parents[1]
EVERY = 1.0  # seconds between two checkpoints
#: What is asked for: share of the rate, bytes, seconds.
LEAST_RATE, MOST_MEMORY, MOST_SECONDS = 0.95, 100 * 2**20, 2.0
WIDEST = {"view": [1, None, 50_000, 2_400]}  # the most that a visitor can ask for
METRIC = re.compile(rb"^streamforest_(\w+) (\S+)$", re.MULTILINE)


class Span(NamedTuple):
    """A stretch of a run: points a second, largest resident memory in bytes, checkpoints written.

    Besides, at its end, commands that were run since the start, and episodes before and after these were counted.
    """

    rate: float
    memory: int
    checkpoints: int
    commands: int
    episodes: float
    most_episodes: float

    @property
    def all_ran(self) -> bool:
        """Whether each episode had one command; the newest may have its own still to come."""
        return self.episodes - 2 <= self.commands <= self.most_episodes


class Run:
    """The program with a page, in a folder of its own; it judges simulated points at a fixed pace."""

    def __init__(self, folder: Path, delay: float) -> None:
        self.folder = folder
        command = f"{sys.executable} -c \"open('commands', 'a').write('x')\""
        words = ["simulated:web", "--view", "browser", "--delay", str(delay), "--format", "quiet", "--log", "none"]
        words += ["--checkpoint", "state", "--checkpoint-every", str(EVERY), "--on-anomaly", command]
        words += ["--images", "pictures", "--detector", "z-score", "--alarm-rate", "0.001"]
        self.process = subprocess.Popen(
            [sys.executable, str(PROJECT / "main.py"), *words],
            **{"cwd": folder, "stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE},
        )
        self.said: list[str] = []
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line.decode())
            if self.said[-1].startswith("page: "):
                break
        address = self.said[-1].split()[1]
        self.port, self.token = int(address.split(":")[2].split("/")[0]), address.partition("=")[2]
        self._hearing = threading.Thread(target=self._hear, daemon=True)
        self._hearing.start()

    def _hear(self) -> None:
        assert self.process.stderr is not None
        self.said += [line.decode() for line in self.process.stderr]

    def metrics(self) -> dict[str, float]:
        """The run's numbers, as Prometheus gets them."""
        request = f"GET /metrics HTTP/1.0\r\nHost: 127.0.0.1:{self.port}\r\nAuthorization: Bearer {self.token}\r\n\r\n"
        for _ in range(50):  # a crowd may push it out before it has shown its token
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 10) as link:
                link.sendall(request.encode())
                body = b"".join(iter(lambda: link.recv(65_536), b""))
                if found := METRIC.findall(body):
                    return {name.decode(): float(value) for name, value in found}
            time.sleep(0.1)
        raise RuntimeError("the page does not answer")

    def watch(self, seconds: float) -> Span:
        """Look at the run for so long."""
        first, began, memory, written = self.metrics(), time.monotonic(), 0, set()
        while time.monotonic() < began + seconds:
            status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
            memory = max(memory, 1024 * int(status.partition("VmRSS:")[2].split()[0]))
            with suppress(FileNotFoundError):
                written.add((self.folder / "state").stat().st_mtime_ns)
            time.sleep(0.05)
        last, took = self.metrics(), time.monotonic() - began
        rate = (last["points_total"] - first["points_total"]) / took
        time.sleep(1.0)  # the newest command
        commands = self.commands
        return Span(rate, memory, len(written), commands, last["episodes_total"], self.metrics()["episodes_total"])

    @property
    def commands(self) -> int:
        """Commands of alarms that were run."""
        with suppress(FileNotFoundError):
            return (self.folder / "commands").stat().st_size
        return 0

    def end(self) -> float:
        """Send SIGTERM; returns the seconds to the end."""
        sent = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        return time.monotonic() - sent

    def close(self) -> None:
        """End the run, if it still goes on, and hear what it says."""
        self.process.kill()
        self.process.wait()
        self._hearing.join(5.0)
        assert self.process.stderr is not None
        self.process.stderr.close()


def shake_hands(run: Run) -> socket.socket:
    """A visitor's live connection; raises OSError where there is none."""
    link = socket.create_connection(("127.0.0.1", run.port), 10)
    key = base64.b64encode(os.urandom(16)).decode()
    own = f"Host: 127.0.0.1:{run.port}\r\nOrigin: http://127.0.0.1:{run.port}\r\n"
    link.sendall(
        f"GET /live?token={run.token} HTTP/1.1\r\n{own}Upgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
    )
    return link


def frame(message: object) -> bytes:
    """A message as a visitor sends it."""
    text = json.dumps(message).encode()
    return bytes([0x81, 0x80 | len(text)]) + bytes(4) + text  # masked with zeros


def read_on(link: socket.socket) -> None:
    """Read to the end of a connection."""
    with suppress(OSError):
        while link.recv(2**20):
            pass


def harm(run: Run, seconds: float, connections: int, unread: int, asks: int) -> None:
    """Do all of it for so long."""
    held: list[socket.socket] = []
    end = time.monotonic() + seconds
    asker = shake_hands(run)
    time.sleep(0.5)
    for _ in range(unread):
        with suppress(OSError):
            link = shake_hands(run)
            link.sendall(frame(WIDEST))
            held.append(link)
    asking = frame({"ask": "snapshot"}) + frame({"ask": "report"}) + frame({"ack": "chart"}) + frame({"ack": "status"})
    while time.monotonic() < end:
        for _ in range(connections // 100):
            with suppress(OSError):
                held.append(socket.create_connection(("127.0.0.1", run.port), 1))
        if asks > 0:
            with suppress(OSError):
                asker.sendall(asking * 25)
            asks -= 50
        for link in held[: max(0, len(held) - connections)]:
            link.close()
        held = held[-connections:]
        time.sleep(seconds / 200)
    for link in (asker, *held):
        link.close()


def main(arguments: Sequence[str]) -> int:
    """Watch a run alone and then with hostile visitors; returns 1 where they did more harm than allowed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of harm (default %(default)s)")
    parser.add_argument("--connections", type=int, default=2000, help="at once (default %(default)s)")
    parser.add_argument("--unread", type=int, default=200, help="visitors who never read (default %(default)s)")
    parser.add_argument("--asks", type=int, default=10_000, help="for pictures and reports (default %(default)s)")
    parser.add_argument("--delay", type=float, default=0.005, help="seconds between points (default %(default)s)")
    asked = parser.parse_args(arguments)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 2 * asked.connections + 500)), hard))
    with tempfile.TemporaryDirectory() as place:
        run = Run(Path(place), asked.delay)
        try:
            friend = shake_hands(run)  # the first picture drawn and saved: what that takes is no harm
            friend.sendall(frame(WIDEST) + frame({"ask": "snapshot"}) + frame({"ask": "report"}))
            friend.settimeout(None)
            threading.Thread(target=read_on, args=(friend,), daemon=True).start()
            run.watch(5.0)
            calm = run.watch(asked.seconds / 4)
            hostile = threading.Thread(
                target=harm, args=(run, asked.seconds, asked.connections, asked.unread, asked.asks), daemon=True
            )
            hostile.start()
            found = run.watch(asked.seconds)
            took = run.end()
            hostile.join(asked.seconds)
            friend.close()
        finally:
            run.close()
        pictures = len(list((Path(place) / "pictures").glob("*"))) if (Path(place) / "pictures").exists() else 0
    spans = calm, found
    wanted = int(asked.seconds / EVERY * 0.8)
    rows = [
        ("points a second", f"{calm.rate:.1f}", f"{found.rate:.1f}", found.rate >= LEAST_RATE * calm.rate),
        ("memory, MB", *(f"{one.memory / 2**20:.0f}" for one in spans), found.memory < calm.memory + MOST_MEMORY),
        ("checkpoints", *(str(one.checkpoints) for one in spans), found.checkpoints >= wanted),
        ("commands of episodes", *(f"{one.commands} of {one.episodes:.0f}" for one in spans), found.all_ran),
        ("pictures saved", "", str(pictures), pictures <= 25 * (1 + asked.seconds / 60)),
        ("SIGTERM, s", "", f"{took:.2f}", took < MOST_SECONDS + 0.2),
        ("tracebacks", "", str(sum("Traceback" in line for line in run.said)), "Traceback" not in "".join(run.said)),
    ]
    print(f"{'':<24} {'alone':>14} {'with them':>14}")
    for name, alone, under, is_right in rows:
        print(f"{name:<24} {alone:>14} {under:>14}   {'' if is_right else 'MISSED'}")
    return 0 if all(row[-1] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Real servers on a free port of the loopback, and main.py as a user starts it, for the tests of network sources."""

import json
import os
import socket
import subprocess
import threading
import time
from contextlib import suppress

from tests.programs import MAIN, started


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def wait_until(is_so, seconds=20.0):
    """Wait for what another program or thread does; fails where it does not."""
    ends = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < ends, f"not within {seconds} s"
        time.sleep(0.01)


def let_end(before, seconds=0.3):
    """Wait for the threads that were begun since, which look at their stop every tenth of a second."""
    ends = time.monotonic() + seconds
    while set(threading.enumerate()) - set(before) and time.monotonic() < ends:
        time.sleep(0.005)


def listens(port):
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.5):
        return True
    return False


class Server:
    """A program that serves a port, and can be killed and started again."""

    def __init__(self, port, *command, **options):
        self.port = port
        self._command = [str(word) for word in command]
        self._options = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **options}
        self._program = None

    def start(self):
        self._program = subprocess.Popen(self._command, **self._options)
        wait_until(lambda: listens(self.port))
        return self

    def kill(self):
        if self._program is not None:
            with self._program:
                self._program.kill()
            self._program = None


class Reader:
    """Reads a source in a thread of its own, as a run does."""

    def __init__(self, source, stop, most=1000):
        self.items = []
        self.fault = None
        self._thread = threading.Thread(target=self._read, args=(source, stop, most), daemon=True)
        self._thread.start()

    def _read(self, source, stop, most):
        try:
            for block in source.read(stop, most):
                assert 0 < len(block) <= most
                self.items += block
        except Exception as error:
            self.fault = error
        finally:
            source.close()

    @property
    def is_done(self):
        return not self._thread.is_alive()

    def ends_within(self, seconds):
        began = time.monotonic()
        self._thread.join(seconds)
        assert self.is_done, f"goes on after {time.monotonic() - began:.1f} s"


class Program:
    """``main.py SOURCE --format json`` with its verdicts as they come."""

    def __init__(self, source, *options, cwd, **environment):
        clean = {name: word for name, word in os.environ.items() if name not in {"FORCE_COLOR", "NO_COLOR"}}
        self._program = started(
            [
                *(*MAIN, source, "--format", "json", "--log", "none"),
                *("--no-visualization", "--detector", "z-score", *options),
            ],
            **{"cwd": cwd, "env": clean | environment, "stdin": subprocess.DEVNULL, "text": True},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.verdicts = []
        self._taking = threading.Thread(target=self._take, daemon=True)
        self._taking.start()

    def _take(self):
        for line in self._program.stdout:
            if line.endswith("\n"):  # a program that is killed may leave a part of one
                self.verdicts.append(json.loads(line))

    def end(self, signal=None):
        """Send a signal, or wait for its own end; returns exit code, standard error and seconds that it took."""
        if signal is not None:
            self._program.send_signal(signal)
        began = time.monotonic()
        err = self._program.stderr.read()
        code = self._program.wait(timeout=30)
        assert "Traceback" not in err
        return code, err, time.monotonic() - began

    def kill(self):
        with self._program:
            self._program.kill()
            self._taking.join(60)

"""A command that is run once an episode, with the verdict on its standard input; it never holds up the run."""

from __future__ import annotations

import math
import os
import select
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Any, NamedTuple

from streamforest.connections.addresses import PASSWORD, USER
from streamforest.orphans import adopt_orphans, children, descendants
from streamforest.protocols import State, Verdicts, streams_of
from streamforest.state import packed, unpacked
from streamforest.stream_names import StreamNames, shown_key
from streamforest.terminal.signals import before_abrupt_end, no_more_before_abrupt_end
from streamforest.verdicts.episodes import EPISODE_GAP, CoolDown, EpisodeFolds
from streamforest.verdicts.life import episode_id

MOST_WAITING = 100  # episodes whose command has not begun; the oldest are dropped
FAILURES_REPORTED = 10  # further ones are only counted
SILENT = 1.0  # seconds at the end of the run before the wait for commands is reported
BEAT = 0.1  # seconds between two looks at whether the end of the run has become urgent
MOST_OUTPUT = 64 * 1024  # bytes that one command may print
GENERATIONS = 100  # of processes that were started to outlive a command
_RUNNING: dict[int, set[int]] = {}  # by the process id of a command that runs, the children that were there before
PATIENCE = 5.0  # seconds beyond the time limit for a command that was killed to be gone


#: Environment variable in which the command finds the id of its episode.
EPISODE_ID = "STREAMFOREST_EPISODE_ID"


class Call(NamedTuple):
    """One episode that the command is to be run for: its number, what the command reads, its stream's key, its id."""

    episode: int
    text: str
    key: str | None = None
    id: str = ""


def words_of(command: str) -> list[str]:
    """The words of a command, without a shell: the program, found, and its arguments.

    Raises
    ------
    ValueError
        The command cannot be taken apart, or there is no such program; the message is for the user.
    """
    is_windows = sys.platform == "win32"
    try:
        words = shlex.split(command, posix=not is_windows)  # a backslash is part of a path there
    except ValueError as error:
        raise ValueError(f"a quotation mark or backslash is left open ({error})") from None
    if is_windows:
        words = [word.strip('"') for word in words]
    if not words or not words[0]:
        raise ValueError("it names no program")
    program = shutil.which(words[0])
    if program is None:
        raise ValueError(f"there is no program {words[0]!r}; install it or give its path (no shell is used)")
    return [program, *words[1:]]


class HookSink:
    """Runs a command at the start of each episode, one after the other, in a thread of its own.

    Parameters
    ----------
    words : sequence of str
        Program and arguments; no shell is used.
    seconds : float
        How long one run may take, at least 0; then it is killed with all that it started.
    describe : callable
        One verdict, as an array of shape (1,) -> the text that the command reads on its standard input.
    notify : callable
        Takes a line for people.
    cool_down : int or CoolDown
        Calm points in a row that an episode survives.
    names : StreamNames, optional
        Of the streams, where there are many.
    ends_by : callable
        By when all must be over at the end of the run, by ``time.monotonic``.
    source : str
        Name of the source, without a password, for the ids of the episodes.

    Notes
    -----
    What the command prints goes to standard error, up to MOST_OUTPUT bytes: standard output is the run's own. A command
    that is slower than episodes begin falls behind: of those that wait the newest MOST_WAITING are kept. At the end of
    the run what still waits is run, as far as it is done within ``seconds``.
    """

    name = "command on anomaly"

    def __init__(
        self,
        words: Sequence[str],
        seconds: float,
        describe: Callable[[Verdicts], str],
        notify: Callable[[str], None],
        cool_down: int | CoolDown = EPISODE_GAP,
        names: StreamNames | None = None,
        ends_by: Callable[[], float] = lambda: math.inf,
        source: str = "",
    ) -> None:
        self._ends_by, self._source = ends_by, source
        self._words, self._seconds = list(words), seconds
        self._describe, self._notify = describe, notify
        self._fold = EpisodeFolds(cool_down, names)
        self._waiting: deque[Call] = deque()
        self._changed = threading.Condition()
        self._ends: float | None = None  # when all must be done, once the run is over
        self.left_out = 0  # episodes without a command
        self.begun = 0  # commands
        self.failed = 0  # of them
        self._worker = threading.Thread(target=self._work, name="command on anomaly", daemon=True)
        self._command: subprocess.Popen[bytes] | None = None  # the one that runs
        before_abrupt_end(self._end_running)
        adopt_orphans()
        self._worker.start()

    def write(self, verdicts: Verdicts) -> None:
        """Take one block of verdicts, shape (n,), n >= 1."""
        for happening, episode in self._fold.add(verdicts):
            if happening == "start":
                is_start = (verdicts["index"] == episode.start.index) & (streams_of(verdicts) == episode.stream)
                text = self._describe(verdicts[is_start])
                name = episode_id(self._source, episode.key, episode.start)
                self._add(Call(episode.number, text, episode.key, name))

    def close(self) -> None:
        """Wait for what runs and what waits, no longer than one run may take, and tell what went wrong."""
        if self._ends is not None:
            return
        with self._changed:
            self._ends = min(time.monotonic() + self._seconds, self._ends_by())
            self._changed.notify()
        self._worker.join(min(SILENT, self._left()))
        if self._worker.is_alive():
            if self._left() > SILENT:
                self._notify(f"the run is over; its last commands have {self._seconds:g} s to end")
            # a run that shall end soon does not wait for those that began before it was told to
            while self._worker.is_alive() and self._left() > -PATIENCE and self._ends_by() > time.monotonic():
                self._worker.join(min(BEAT, max(self._left() + PATIENCE, 0.0)))
        if self._worker.is_alive():
            self._ends = min(self._ends, self._ends_by())
            self._end_running()
            self._worker.join(SILENT)
        no_more_before_abrupt_end(self._end_running)
        if self.left_out:
            self._notify(f"{self.left_out:,} episodes had no command: they began faster than it runs")
        if self.failed > FAILURES_REPORTED:
            self._notify(f"the command failed {self.failed:,} of {self.begun:,} times")

    def _left(self) -> float:
        """Seconds that commands have at the end of the run."""
        return max((self._ends or 0.0) - time.monotonic(), -PATIENCE)

    def _end_running(self) -> None:
        """Kill the command that runs, with all that it started."""
        command = self._command
        if command is not None:
            _end_group(command)

    def state(self) -> State:
        """The open episode, whose command has begun, and the ones whose has not."""
        with self._changed:
            waiting = list(self._waiting)
        return self._fold.state() | {"waiting": packed(waiting)}

    def restore(self, state: State, *, cut: bool) -> str:  # noqa: ARG002 - a command cannot be taken back
        """Go on behind the last episode; commands that waited are run."""
        self._fold.restore(state)
        for call in unpacked(state, "waiting", list[Call]):
            self._add(Call(*call))
        return ""

    def _add(self, call: Call) -> None:
        with self._changed:
            is_full = len(self._waiting) == MOST_WAITING
            if is_full:
                self._waiting.popleft()
                self.left_out += 1
            self._waiting.append(call)
            self._changed.notify()
        if is_full and self.left_out == 1:
            self._notify("episodes begin faster than the command runs: the oldest that wait are left out")

    def _work(self) -> None:
        while (call := self._next()) is not None:
            self._run(call)

    def _next(self) -> Call | None:
        """The next episode to run the command for; None when all is done."""
        with self._changed:
            while not self._waiting and self._ends is None:
                self._changed.wait()
            if self._ends is not None and time.monotonic() >= self._ends:
                self.left_out += len(self._waiting)
                self._waiting.clear()
            if not self._waiting:
                return None
            return self._waiting.popleft()

    def _note(self, command: subprocess.Popen[bytes] | None) -> None:
        self._command = command

    def _run(self, call: Call) -> None:
        limit = self._seconds if self._ends is None else max(0.0, self._ends - time.monotonic())
        self.begun += 1
        try:
            fault = run_once(self._words, call.text, limit, self._note, {EPISODE_ID: call.id})
        except OSError as error:
            fault = f"cannot be started: {error.strerror or error}"
        if not fault:
            return
        self.failed += 1
        if self.failed <= FAILURES_REPORTED:
            more = "; further failures are only counted" if self.failed == FAILURES_REPORTED else ""
            of = "" if call.key is None else f" of {shown_key(call.key)}"
            self._notify(f"command on anomaly, episode {call.episode}{of}: {fault}{more}")


def run_once(
    words: Sequence[str],
    text: str,
    seconds: float,
    note: Callable[[subprocess.Popen[bytes] | None], None] = lambda _command: None,
    variables: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Run a command to its end, with a text on its standard input.

    Parameters
    ----------
    words : sequence of str
        Program and arguments.
    text : str
        Shorter than what a pipe takes without a reader: 4 KiB.
    seconds : float
        After these it is killed with its children, which never outlive it: on Linux not even in a session of their own.

    note : callable
        Called with the command while it runs, and with None when it is over.
    variables : mapping of str to str
        Of its environment, beside those of this program.

    Returns
    -------
    str
        What went wrong, in words; empty where it ended with exit code 0.

    Raises
    ------
    OSError
        It cannot be started.
    """
    # the source's user and password are none of its business
    environment = {name: word for name, word in os.environ.items() if name not in (USER, PASSWORD)}
    environment |= variables
    others = children()
    reader, output = _pipe()
    try:
        command = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=output, stderr=output, env=environment, **_own_group()
        )
    except OSError:
        _close(reader)
        raise
    finally:
        if reader is not None:
            os.close(output)
    _RUNNING[command.pid] = others
    note(command)
    cut = False
    try:
        with suppress(OSError):  # it need not read
            command.stdin.write(text.encode())  # type: ignore[union-attr] # it is a pipe
        with suppress(OSError):
            command.stdin.close()  # type: ignore[union-attr]
        cut = _pass_on(command, reader, seconds)
        code = command.wait(0 if reader is not None else seconds)
    except subprocess.TimeoutExpired:
        return f"not done after {seconds:.3g} s, killed"
    finally:
        note(None)
        _end_group(command)
        command.wait()
        _RUNNING.pop(command.pid, None)
        _end_adopted(others)
        _close(reader)
    if cut:
        return f"its output is cut at {MOST_OUTPUT // 1024} KiB" + (f", exit code {code}" if code else "")
    if code < 0:
        return f"ended by signal {-code}"
    return f"exit code {code}" if code else ""


def _error_stream() -> int:
    """Where a command's output goes: standard error, if there is one."""
    try:
        return sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):
        return subprocess.DEVNULL


def _pipe() -> tuple[int | None, int]:
    """Where a command's output comes out, and where it goes; on Windows, which cannot wait for it, standard error."""
    return (None, _error_stream()) if sys.platform == "win32" else os.pipe()


def _close(descriptor: int | None) -> None:
    if descriptor is not None:
        os.close(descriptor)


def _pass_on(command: subprocess.Popen[bytes], reader: int | None, seconds: float) -> bool:
    """Pass what a command prints on to standard error until it ends; whether that was more than MOST_OUTPUT.

    Raises
    ------
    subprocess.TimeoutExpired
        It has not ended after so many seconds.
    """
    if reader is None:
        return False
    target, passed, end = _error_stream(), 0, time.monotonic() + seconds
    is_over = False
    while not is_over:
        left = end - time.monotonic()
        if left <= 0:
            raise subprocess.TimeoutExpired(command.args, seconds)
        is_over = command.poll() is not None  # what it has printed by then is still read
        while select.select([reader], [], [], 0 if is_over else min(left, BEAT))[0]:
            chunk = os.read(reader, 65_536)
            if not chunk:
                return _wait(command, end, seconds, passed)
            with suppress(OSError):
                if passed < MOST_OUTPUT and target != subprocess.DEVNULL:
                    os.write(target, chunk[: MOST_OUTPUT - passed])
            passed += len(chunk)
            if time.monotonic() >= end:
                break
    return passed > MOST_OUTPUT


def _wait(command: subprocess.Popen[bytes], end: float, seconds: float, passed: int) -> bool:
    """Wait for a command that has closed its output."""
    try:
        command.wait(max(end - time.monotonic(), 0.0))
    except subprocess.TimeoutExpired:
        raise subprocess.TimeoutExpired(command.args, seconds) from None
    return passed > MOST_OUTPUT


def _is_adopted(pid: int) -> bool:
    """Whether a child was left behind by a command: this program starts nothing else in a session of its own."""
    try:
        return pid not in _RUNNING and os.getsid(pid) != os.getsid(0)
    except OSError:  # gone
        return False


def _end_adopted(others: set[int]) -> None:
    """Kill the processes that were left to this one while a command ran, and theirs; reap them all."""
    for _ in range(GENERATIONS):
        adopted = {pid for pid in children() - others if _is_adopted(pid)}
        if not adopted:
            return
        for pid in adopted:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
            with suppress(OSError):
                os.waitpid(pid, 0)


def _own_group() -> dict[str, Any]:
    """How a command is started so that Ctrl+C does not reach it and all of it can be ended at once."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def _end_group(command: subprocess.Popen[bytes]) -> None:
    """Kill a command, if it still runs, and whatever it started and left behind, without waiting for their end."""
    if sys.platform != "win32":
        adopted = {pid for pid in children() - _RUNNING.get(command.pid, set()) if _is_adopted(pid)}
        for pid in descendants({command.pid, *adopted}) - {command.pid}:  # those with a session of their own too
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        with suppress(ProcessLookupError, PermissionError):  # nobody is left; macOS says so in another way
            os.killpg(command.pid, signal.SIGKILL)
    elif command.poll() is None:
        subprocess.run(["taskkill", "/T", "/F", "/PID", str(command.pid)], capture_output=True, check=False)

import os
import signal
import subprocess
import sys
import time

import pytest

from streamforest.terminal.signals import on_stop_signals

WAITING = """
import signal
from streamforest.terminal.signals import end_at_once, on_stop_signals
on_stop_signals(end_at_once)
signal.raise_signal(signal.{})
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_before_the_first_point_ends_the_program_with_0_and_one_line(name):
    run = subprocess.run([sys.executable, "-c", WAITING.format(name)], capture_output=True, timeout=60, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, b"", b"stopped before the first point\n")


def test_another_handler_takes_the_signals_over():
    before = {name: signal.getsignal(name) for name in (signal.SIGINT, signal.SIGTERM)}
    heard = []
    try:
        on_stop_signals(lambda number, _frame: heard.append(number))
        for name in before:
            signal.raise_signal(name)
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
    assert heard == list(before)


RUN = """
import os, signal, sys, time
for name in ("SIGINT", "SIGQUIT"):  # a shell's background job would have them ignored
    signal.signal(getattr(signal, name), signal.default_int_handler if name == "SIGINT" else signal.SIG_DFL)
from streamforest.terminal.signals import before_abrupt_end, on_quit, on_stop_signals
from streamforest.terminal.stop import StopFlag
stop = StopFlag()
on_stop_signals(stop.hear)
on_quit()
stop.end_in_time(lambda: "the last page")
before_abrupt_end(lambda: os.write(1, b"put back"))
print("ready", flush=True)
{}
"""
#: Runs on whatever is asked of it, and says when it has heard that it shall end. A signal that comes as a sleep begins
#: is only seen when that is over.
HUNG = "stop.wait(60); print('heard', flush=True)\nwhile True: time.sleep(0.01)"
#: Seconds in place of those that a run has from SIGTERM on, for one that shall outlive them.
HASTE = 0.2
HASTY = f"from streamforest.terminal import stop as times; times.GRACE, times.END = {HASTE}, {HASTE}\n"


def started(code, first="", **more):
    return subprocess.Popen(
        [sys.executable, "-c", first + RUN.format(code)],
        **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | more,
    )


def outlives(run):
    """Whether a run of HASTY goes on for longer than one that heard a signal would."""
    try:
        run.wait(5 * HASTE)
    except subprocess.TimeoutExpired:
        return True
    return False


@pytest.mark.skipif(sys.platform == "win32", reason="sends signals")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_run_that_hangs_ends_two_seconds_after_sigterm_and_says_what_is_not_done(name):
    with started(HUNG) as run:
        run.stdout.readline()
        sent = time.monotonic()
        run.send_signal(getattr(signal, name))
        out, err = run.communicate(timeout=30)
        assert time.monotonic() - sent < 2.2
    assert (run.returncode, out) == (0, b"heard\nput back")
    assert err == b"ended 1.9 s after the signal, what was not written is left out; the last page\n"


@pytest.mark.skipif(sys.platform == "win32", reason="sends signals")
@pytest.mark.parametrize(
    ("second", "code", "says"),
    [
        ("SIGINT", 1, b"ended at once: what was not written yet is lost\n"),
        ("SIGTERM", 0, b"ended 1.9 s after the signal, what was not written is left out; the last page\n"),
    ],
)
def test_a_second_ctrl_c_ends_at_once_and_sigterm_after_the_first_in_time(second, code, says):
    with started(HUNG) as run:
        run.stdout.readline()
        run.send_signal(signal.SIGINT)
        assert run.stdout.readline() == b"heard\n"
        assert run.poll() is None
        run.send_signal(getattr(signal, second))
        out, err = run.communicate(timeout=2.4 if second == "SIGTERM" else 1)
    assert (run.returncode, out, err) == (code, b"put back", says)


@pytest.mark.skipif(sys.platform == "win32", reason="sends signals")
def test_sigquit_ends_the_program_as_ever_with_the_terminal_as_it_was():
    with started(HUNG) as run:
        run.stdout.readline()
        run.send_signal(signal.SIGQUIT)
        out, _ = run.communicate(timeout=10)
    assert (run.returncode, out) == (-signal.SIGQUIT, b"put back")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a terminal of its own")
def test_a_run_whose_terminal_went_away_goes_on_without_it():
    import pty  # noqa: PLC0415

    leader, follower = pty.openpty()
    with started(HUNG, HASTY, stdin=follower) as run:
        run.stdout.readline()
        os.close(follower)
        os.close(leader)
        run.send_signal(signal.SIGHUP)
        assert outlives(run)
        run.kill()
        run.communicate()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such signal")
def test_a_program_that_outlives_its_terminal_by_nohup_goes_on_to():
    with started(HUNG, "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + HASTY) as run:
        run.stdout.readline()
        run.send_signal(signal.SIGHUP)
        assert outlives(run)
        run.kill()

import os
import signal
import subprocess
import sys

import pytest

if sys.platform == "win32":
    pytest.skip("there is no Ctrl+Z", allow_module_level=True)

from streamforest.terminal import suspension

PROGRAM = """
import os, signal, sys
from streamforest.terminal.suspension import around_suspension, no_more_around_suspension

def say(text):
    os.write(1, (text + "\\n").encode())

parties = [(lambda n=n: say(f"give {n}"), lambda n=n: say(f"take {n}")) for n in (1, 2)]
for party in parties:
    around_suspension(*party)
say("ready")
sys.stdin.readline()
for party in parties:
    no_more_around_suspension(*party)
say("over" if signal.getsignal(signal.SIGTSTP) == signal.SIG_DFL else "wrong")
"""


def test_the_terminal_is_given_back_in_turn_before_the_stop_and_taken_again_behind_it():
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, process_group=0
    )
    with process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTSTP)
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        process.send_signal(signal.SIGCONT)
        assert [process.stdout.readline() for _ in range(4)] == ["give 2\n", "give 1\n", "take 1\n", "take 2\n"]
        out, _ = process.communicate("\n", timeout=60)
    assert out.splitlines()[-1] == "over"


def test_what_is_not_there_is_not_taken_back():
    suspension.no_more_around_suspension(print, print)
    assert suspension._parties == []

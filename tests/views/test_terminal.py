import os
import re
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

if sys.platform == "win32":
    pytest.skip("needs a pseudo-terminal: Linux or macOS", allow_module_level=True)

import fcntl
import pty
import termios

from streamforest.detectors.z_score import ZScoreDetector
from streamforest.figures.braille import ASCII, BLOCKS, BRAILLE
from streamforest.terminal.actions import Actions
from streamforest.terminal.screen import GIVE_BACK
from streamforest.verdicts.counts import RunCounts
from streamforest.verdicts.history import History
from streamforest.views.terminal import TerminalView, glyphs_for
from tests.screens import Terminal

#: The largest is not the last: an emulator in Python is slow at it.
SIZES = [(40, 10), (200, 50), (400, 100), (120, 30), (80, 24)]
#: A stream with spikes of its own, quick enough to be full at once; nothing leaves the folder of the test.
WATCH = ("simulated", "--seed", "3", "--outlier-probability", "0.02", "--view", "terminal")


@pytest.fixture
def terminal(tmp_path):
    opened = []

    def open_terminal(*size, **options):
        opened.append(Terminal(tmp_path, *size, **options))
        return opened[-1]

    yield open_terminal
    for one in opened:
        one.close()


def braille(text):
    return sum("\u2801" <= sign <= "\u28ff" for sign in text)


def is_drawn(shown):
    return braille(shown.text) > 20 and "asked for" in shown.text


def uses(shown, columns):
    """Whether the whole width of a live view is used."""
    line = shown.lines[0].rstrip()
    return line.endswith("live") and len(line) == columns


def axis_of(shown):
    """The numbers of points below the picture."""
    return [int(number.replace(",", "")) for number in re.findall("\u2514([\\d,]+)", shown.text)]


def is_over(shown):
    return "alarm rate" in shown.text and shown.lines[shown.emulator.cursor.y].startswith("$ ")


def test_the_stream_is_drawn_at_every_size_by_frames_of_what_changed_and_ctrl_c_leaves_the_terminal_as_it_was(terminal):
    shown = terminal(*SIZES[0])
    shown.main(*WATCH, "--delay", "0.005")
    for columns, rows in SIZES:
        shown.resize(columns, rows)
        shown.wait(lambda: braille(shown.text) > 20 and "▲" in shown.text)
        assert shown.emulator.is_second
        shown.wait(lambda columns=columns: uses(shown, columns) and "h keys" in shown.text)
        if rows >= 24:
            shown.wait(lambda: "newest first" in shown.text and "last alarm" in shown.text)
            assert "score" in shown.text
            assert "└" in shown.text
    before, begun = len(shown.written), time.monotonic()
    shown.wait(lambda: shown.written.count(b"\x1b[?2026l", before) >= 5)
    frames = shown.written[before:].split(b"\x1b[?2026h")[1:-1]
    assert len(frames) <= 20 * (time.monotonic() - begun) + 2, "20 frames a second at most"
    assert all(b"\x1b[2J" not in frame for frame in frames)
    shown.type("\x03")
    shown.wait(lambda: is_over(shown))
    assert not shown.emulator.is_second
    assert not shown.emulator.cursor.hidden
    assert "Traceback" not in shown.text
    shown.wait(lambda: shown.modes() == shown.before)


def test_keys_move_the_view_and_what_they_cause_is_said_below(terminal, tmp_path):
    shown = terminal(110, 30)
    shown.main(*WATCH, "--delay", "0.01")
    shown.wait(lambda: "newest first" in shown.text)
    shown.type(" ")
    shown.wait_for("paused")
    shown.type("g")
    shown.wait(lambda: "score" in shown.lines[-1] and "p " in shown.lines[-1])
    shown.type("h")
    shown.wait_for("Ctrl+C   stop the run")
    shown.type("h")
    shown.wait(lambda: "stop the run" not in shown.text)
    shown.type("e")
    shown.wait(lambda: "newest first" not in shown.text)
    shown.type("\x1b[Dr")
    shown.type(" ")
    shown.wait(lambda: "paused" not in shown.text)
    shown.type("q")
    shown.wait_for("picture saved: ")
    assert len(list((tmp_path / "pictures").glob("*.png"))) == 1
    shown.type("\x1b")
    shown.wait(lambda: b"the picture is closed, the run goes on; Ctrl+C ends it" in shown.written)
    assert not shown.emulator.is_second
    assert b"report written: " in shown.written, "what was said meanwhile stands in the terminal afterwards"
    shown.type("\x03")
    shown.wait(lambda: is_over(shown))


def test_every_key_changes_what_is_shown_at_every_size(terminal):
    shown = terminal(*SIZES[0])
    shown.main(*WATCH, "--delay", "0.002")
    shown.wait(lambda: axis_of(shown) > [2_000])  # there is something to go back to

    def press(keys, is_so):
        shown.type(keys)
        shown.wait(is_so)

    def moves(key, is_so):
        """Press a key that moves the axis, or where there is no space for one, the picture."""
        axis, picture = axis_of(shown), shown.lines[3:-1]
        press(key, lambda: is_so(axis_of(shown), axis) if axis else shown.lines[3:-1] != picture)

    for columns, rows in SIZES:
        shown.resize(columns, rows)
        shown.wait(lambda size=(columns, rows): uses(shown, size[0]) or size == SIZES[0])
        has_list = rows >= 24
        if has_list:
            shown.wait(lambda: "newest first" in shown.text)
            press("e", lambda: "newest first" not in shown.text)
            press("e", lambda: "newest first" in shown.text)
        press("h", lambda: "save a picture" in shown.text)
        press("i", lambda: "asked for" in shown.text and "save a picture" not in shown.text)
        press("\x1b", lambda: "of normal points" not in shown.text)
        press("w", lambda: "> alarm rate" in shown.text)
        press("\x1b[B", lambda: "> direction" in shown.text)
        press("\x1b[A", lambda: "> alarm rate" in shown.text)
        press("\x1b", lambda: "> alarm rate" not in shown.text)
        press(" ", lambda: "paused" in shown.text)
        moves("\x1b[D", lambda now, before: now[0] < before[0])
        moves("\x1b[C", lambda now, before: now[0] > before[0])
        moves("-", lambda now, before: np.ptp(now) > 1.5 * np.ptp(before))
        moves("+", lambda now, before: np.ptp(now) < np.ptp(before) / 1.5)
        press("g", lambda: "point " in shown.lines[-1] and "expected" in shown.lines[-1])
        for key in (",", "."):
            said = shown.lines[-1]
            press(key, lambda said=said: shown.lines[-1] != said)
        press(" ", lambda: "paused" not in shown.text)
    press("t", lambda: "what would be caught" in shown.text)
    press("\x1b", lambda: "what would be caught" not in shown.text)
    for key, said in (("n", "noted as nothing"), ("y", "noted as real"), ("m", "noted as missed"), ("u", "no rule")):
        press(key, lambda said=said: said in shown.text)
        shown.type("\x1b" * (key in "nm"))  # what it opened
    for key, said in (("c", "case written"), ("r", "report written"), ("q", "picture saved"), ("d", "judges from")):
        press(key, lambda said=said: said in shown.text)
    press("\x1b", lambda: not shown.emulator.is_second)


def test_ctrl_z_gives_the_terminal_back_and_fg_draws_again(terminal):
    shown = terminal(80, 24)
    shown.main(*WATCH, "--delay", "0.01")
    shown.wait(lambda: is_drawn(shown))
    shown.type("\x1a")
    shown.wait_for("Stopped")
    assert not shown.emulator.is_second
    assert shown.modes() == shown.before
    shown.type("fg\n")
    shown.wait(lambda: is_drawn(shown) and shown.emulator.is_second)
    shown.type("\x1a")
    shown.wait(lambda: not shown.emulator.is_second)
    shown.type("bg\n")
    shown.type("echo in-the-back''ground\n")
    shown.wait_for("in-the-background")
    assert not shown.emulator.is_second
    shown.type("fg\n")
    shown.wait(lambda: is_drawn(shown) and shown.emulator.is_second)
    shown.type("\x03")
    shown.wait(lambda: is_over(shown))
    shown.wait(lambda: shown.modes() == shown.before)


def test_a_stop_that_cannot_be_caught_is_recovered_from(terminal):
    shown = terminal(80, 24)
    shown.main(*WATCH, "--delay", "0.01")
    shown.wait(lambda: is_drawn(shown))
    os.kill(shown.program, signal.SIGSTOP)
    shown.wait_for("Stopped")
    shown.type("stty sane; fg\n")
    shown.wait(lambda: is_drawn(shown) and "Stopped" not in shown.text)
    shown.type(" ")
    shown.wait_for("paused")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
def test_a_signal_leaves_the_terminal_as_it_was(terminal, number):
    shown = terminal(80, 24)
    shown.main(*WATCH, "--delay", "0.01")
    shown.wait(lambda: is_drawn(shown))
    os.kill(shown.program, number)
    shown.wait(lambda: not shown.emulator.is_second and shown.modes() == shown.before)
    assert not shown.emulator.cursor.hidden
    shown.type("echo still''here\n")
    shown.wait_for("stillhere")


def test_a_crash_leaves_the_terminal_as_it_was_and_can_be_read(terminal, tmp_path):
    broken = tmp_path / "sitecustomize.py"
    broken.write_text(
        "import streamforest.figures.stream_text as text\n"
        "draw, drawn = text.StreamText.draw, []\n"
        "def fail(self, *given, **options):\n"
        "    drawn.append(1)\n"
        "    if len(drawn) > 5:\n"
        "        raise RuntimeError('a planted fault')\n"
        "    return draw(self, *given, **options)\n"
        "text.StreamText.draw = fail\n",
        encoding="utf-8",
    )
    shown = terminal(80, 24, PYTHONPATH=f"{tmp_path}{os.pathsep}{Path.cwd()}")
    shown.main(*WATCH, "--delay", "0.01")
    shown.wait_for("a planted fault")
    shown.wait(lambda: not shown.emulator.is_second and shown.modes() == shown.before)
    assert b"\x1b[?1049h" in shown.written
    assert not shown.emulator.cursor.hidden


def test_a_terminal_that_goes_away_does_not_end_the_run(terminal, tmp_path):
    shown = terminal(80, 24)
    shown.main(*WATCH, "--delay", "0.005", "--report", "report.csv")
    shown.wait(lambda: is_drawn(shown))
    report = tmp_path / "report.csv"
    number = shown.hang_up()
    size = report.stat().st_size
    try:
        shown.wait(lambda: report.stat().st_size > size + 500)
    finally:
        os.kill(number, signal.SIGTERM)
    shown.wait(lambda: not is_alive(number))


def is_alive(number):
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(number)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")


def test_on_a_light_page_the_colours_are_others(terminal):
    shown = terminal(80, 24, "ffff/ffff/ffff")
    shown.main(*WATCH, "--delay", "0.002")
    shown.wait(lambda: b"38;5;166" in shown.written and b"48;5;254" in shown.written)
    assert b"48;5;237" not in shown.written


@pytest.mark.parametrize(
    ("environment", "seen", "unseen"),
    [
        ({"TERM": "xterm-256color"}, ("38;5;208", "48;5;237", "⣀"), ("48;5;254",)),
        ({"TERM": "xterm"}, ("\x1b[0;1;91m", "░", "⣀"), ("38;5;", "48;5;")),
        ({"TERM": "linux"}, ("\x1b[0;1;91m", "▀"), ("38;5;", "⣀")),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, ("▲", "░", "\x1b[0;1m"), ("38;5;", "91m", "32m")),
    ],
    ids=["256 colours", "16 colours", "linux console", "no colour"],
)
def test_colours_and_signs_are_those_that_the_terminal_has(drawn_by, environment, seen, unseen):
    sent = drawn_by(environment)
    assert all(sequence in sent for sequence in seen)
    assert not any(sequence in sent for sequence in unseen)


@pytest.fixture
def drawn_by(monkeypatch):
    """What a view of a stream with a spike writes to a terminal of 80 x 24, by the environment."""

    def sent(environment):
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        content = b""
        with os.fdopen(theirs, "w", encoding="utf-8") as stream:
            monkeypatch.setattr(sys, "stdout", stream)
            watched = SpikeWatched()
            view = TerminalView(watched, cool_down=5, environment=environment)
            view.poll(0.0)
            view.close()
            watched.actions.close()
            while GIVE_BACK.encode() not in content:
                content += os.read(ours, 65536)
        os.close(ours)
        return content.decode()

    return sent


class SpikeWatched:
    """A run that has seen a flat stream with a spike at its end."""

    def __init__(self):
        self.memory, self.actions, counts = History(1000), Actions(), RunCounts(0.001)
        values = np.random.default_rng(1).normal(20.0, 1.0, 300)
        values[290] = 60.0
        verdicts = ZScoreDetector(0.001).update_many(values)
        self.memory.write(verdicts)
        counts.add(verdicts)
        self.status = lambda: counts.status("readings.csv", "z-score", ("z-score",), 1)


def test_a_person_at_a_terminal_without_a_screen_sees_the_stream_there_and_episodes_when_it_is_closed(terminal):
    shown = terminal(80, 24)
    shown.main("simulated", "--seed", "3", "--outlier-probability", "0.05", "--delay", "0.005")
    shown.wait(lambda: is_drawn(shown) and "last alarm" in shown.text)
    shown.type("\x1b")
    shown.wait(lambda: b"the picture is closed" in shown.written)
    shown.wait(lambda: any(line.startswith("▲ point") for line in shown.lines))
    assert b"--view browser opens a page instead" in shown.written
    shown.type("\x03")
    shown.wait(lambda: is_over(shown))


def test_what_the_terminal_cannot_show_is_not_drawn_with():
    assert glyphs_for("utf-8", {"TERM": "xterm"}) is BRAILLE
    assert glyphs_for("utf-8", {"TERM": "linux"}) is BLOCKS
    assert glyphs_for("latin-1", {"TERM": "xterm"}) is ASCII
    assert glyphs_for(None, {}) is ASCII
    assert glyphs_for("no such encoding", {}) is ASCII


def test_what_if_shows_at_once_what_other_settings_change_and_enter_takes_them_over(terminal, tmp_path):
    shown = terminal(100, 30)
    shown.main(*WATCH, "--delay", "0.002", "--alarm-rate", "0.01", "--verdicts", "verdicts.jsonl")
    shown.wait(lambda: "newest first" in shown.text and "last alarm" in shown.text)
    shown.type("w")
    shown.wait(lambda: "what if: " in shown.text and "Esc: change nothing" in shown.text)
    shown.type("\x1b[B\x1b[C")
    shown.wait(lambda: "> direction" in shown.text and "up only" in shown.text)
    shown.wait(lambda: " alarm" in shown.text[shown.text.index("what if: ") :].splitlines()[0])
    shown.wait(lambda: any(line.startswith("trial") and set(line[6:]) & set("|x+") for line in shown.lines))
    shown.type("\r")
    shown.wait_for("these settings hold now; to start with them: --direction up")
    shown.type("y")
    shown.wait_for("noted as real: ")
    shown.type("m")
    shown.wait_for("what would have caught it")
    shown.type("\x1b")
    shown.wait(lambda: "newest first" in shown.text)
    assert shown.emulator.is_second, "the first Escape closes the panel only"
    assert '"verdict": "real"' in (tmp_path / "verdicts.jsonl").read_text(encoding="utf-8")

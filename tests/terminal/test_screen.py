import fcntl
import os
import pty
import struct
import sys
import termios

import numpy as np
import pyte
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamforest.terminal import screen as screens
from streamforest.terminal.screen import Screen, colours_of, has_dark_page, why_not

MARK = b"\x05"
PALETTE = ["\x1b[0m", "\x1b[0;1m", "\x1b[0;31m"]


class Reader:
    """The other end of a screen: what was written, and what an emulator shows of it."""

    def __init__(self, columns, rows):
        self.ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.stream = os.fdopen(theirs, "w", encoding="utf-8")
        self.emulator = pyte.Screen(columns, rows)
        self.feed = pyte.ByteStream(self.emulator).feed
        self.screen = Screen(self.stream, PALETTE)

    def show(self, codes, styles=None):
        """Show a frame; returns what was written for it."""
        codes = np.array(codes, np.uint32)
        self.read()
        self.screen.show(codes, np.zeros_like(codes, np.uint8) if styles is None else np.array(styles, np.uint8))
        return self.read()

    def read(self):
        """All that was written so far; a mark behind it tells where that ends."""
        os.write(self.stream.fileno(), MARK)
        content = b""
        while not content.endswith(MARK):
            content += os.read(self.ours, 65536)
        content = content.removesuffix(MARK)
        self.feed(content)
        return content

    def close(self):
        self.screen.close()
        self.stream.close()
        os.close(self.ours)


@pytest.fixture
def reader():
    opened = []

    def open_reader(columns=10, rows=3):
        opened.append(Reader(columns, rows))
        return opened[-1]

    yield open_reader
    for one in opened:
        one.close()


def codes_of(*lines):
    return [[ord(sign) for sign in line] for line in lines]


def test_a_frame_is_sent_whole_and_then_only_what_changed(reader):
    shown = reader()
    first = shown.show(codes_of("abcdefghij", "klmnopqrst", "uvwxyz    "))
    assert first.startswith(screens.BEGIN.encode())
    assert first.endswith(screens.END.encode())
    assert shown.emulator.display == ["abcdefghij", "klmnopqrst", "uvwxyz    "]
    second = shown.show(codes_of("abcdefghij", "klmnopqrsT", "uvwxyz    "))
    assert b"\x1b[2;10H" in second
    assert len(second) < 40
    assert shown.emulator.display[1] == "klmnopqrsT"
    assert shown.show(codes_of("abcdefghij", "klmnopqrsT", "uvwxyz    ")) == b""


def test_styles_are_sent_where_they_change(reader):
    shown = reader(4, 1)
    sent = shown.show(codes_of("abcd"), [[0, 2, 2, 0]])
    assert b"a\x1b[0;31mbc\x1b[0md" in sent


def test_the_screen_is_taken_and_given_back(reader):
    shown = reader()
    assert screens.TAKE.encode() in shown.read()
    shown.show(codes_of("abcdefghij", "          ", "          "))
    shown.screen.close()
    shown.screen.close()
    assert shown.read() == screens.GIVE_BACK.encode()
    assert not shown.screen.is_ready


def test_another_size_is_drawn_whole(reader):
    shown = reader()
    shown.show(codes_of("abcdefghij", "          ", "          "))
    fcntl.ioctl(shown.stream.fileno(), termios.TIOCSWINSZ, struct.pack("HHHH", 2, 5, 0, 0))
    assert shown.screen.size == (5, 2)
    shown.emulator.resize(2, 5)
    assert b"\x1b[2J" in shown.show(codes_of("abcde", "fghij"))
    assert shown.emulator.display == ["abcde", "fghij"]


def test_a_reader_who_stands_still_is_not_waited_for_and_gets_the_rest_later(reader):
    shown = reader(200, 100)
    frames = 0
    while shown.screen.is_ready:  # nobody reads
        frames += 1
        codes = np.full((100, 200), ord("a") + frames % 26, np.uint32)
        shown.screen.show(codes, np.zeros(codes.shape, np.uint8))
        assert frames < 1000
    while not shown.screen.is_ready:
        shown.feed(os.read(shown.ours, 65536))
    shown.read()
    assert shown.emulator.display == [chr(ord("a") + frames % 26) * 200] * 100


def test_a_terminal_that_is_gone_is_noticed_and_harms_nobody(reader):
    shown = reader()
    os.close(shown.ours)
    shown.show = None
    codes = np.full((3, 10), ord("x"), np.uint32)
    shown.screen.show(codes, np.zeros(codes.shape, np.uint8))
    assert shown.screen.is_gone
    assert not shown.screen.is_ready
    shown.screen.close()
    shown.ours = os.open(os.devnull, os.O_RDONLY)


cells = st.lists(st.lists(st.sampled_from("ab▲⣿温 "), min_size=6, max_size=6), min_size=3, max_size=3)


@settings(deadline=None, max_examples=25)
@given(st.lists(cells, min_size=1, max_size=4))
def test_after_any_frames_the_terminal_shows_the_last_one(frames):
    shown = Reader(6, 3)
    try:
        for frame in frames:
            codes = []
            for line in frame:
                row = []
                for sign in line:
                    row += [ord(sign), 0] if sign == "温" else [ord(sign)]
                codes.append(row[:5] + [ord("."), ord(".")][: 6 - len(row[:5])])
                if codes[-1][4] == ord("温"):
                    codes[-1][4] = ord(".")
            shown.show(codes)
        expected = ["".join(chr(code) for code in row if code) for row in codes]
        assert [line.rstrip("\0") for line in shown.emulator.display] == expected
    finally:
        shown.close()


@pytest.mark.parametrize(
    ("environment", "colours"),
    [
        ({"TERM": "xterm-256color"}, 256),
        ({"TERM": "tmux-256color"}, 256),
        ({"TERM": "xterm", "COLORTERM": "truecolor"}, 256),
        ({"TERM": "screen"}, 16),
        ({"TERM": "linux"}, 16),
        ({"TERM": "vt100"}, 0),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, 0),
        ({"TERM": "xterm-256color", "NO_COLOR": ""}, 256),
    ],
)
def test_colours_are_counted_by_the_environment(environment, colours):
    assert colours_of(environment) == colours


@pytest.mark.parametrize(
    ("environment", "is_dark"), [({}, True), ({"COLORFGBG": "0;15"}, False), ({"COLORFGBG": "15;default;0"}, True)]
)
def test_a_page_that_cannot_be_asked_is_what_the_environment_says(environment, is_dark):
    with open(os.devnull) as nothing:  # noqa: PTH123 - a descriptor is all that is needed
        assert has_dark_page(nothing.fileno(), environment) is is_dark


def test_what_cannot_be_drawn_on_is_said_with_the_reason(monkeypatch, tmp_path):
    assert "Windows" in why_not({}, "win32")
    with (tmp_path / "file").open("w") as file:
        monkeypatch.setattr(sys, "stdout", file)
        monkeypatch.setattr(sys, "stderr", file)
        assert "is a terminal" in why_not({"TERM": "xterm"}, "linux")
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        assert why_not({"TERM": "xterm"}, "linux") == ""
        assert "TERM is 'dumb'" in why_not({"TERM": "dumb"}, "linux")
        assert "TERM is ''" in why_not({}, "linux")
        assert screens.stream_to_draw_on() is stream
    os.close(ours)

"""The whole screen of a terminal to draw on: taken and given back, and written where it changed, without waiting."""

from __future__ import annotations

import os
import re
import select
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from streamforest.terminal.console import is_terminal
from streamforest.terminal.signals import before_abrupt_end, no_more_before_abrupt_end

#: A screen of its own, no cursor, no line that goes on in the next one. It is cleared before it is given back too, for
#: terminals that have no second screen to give (a Linux console).
TAKE = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[0m\x1b[2J"
GIVE_BACK = "\x1b[?2026l\x1b[0m\x1b[2J\x1b[H\x1b[?7h\x1b[?25h\x1b[?1049l"
#: Around what belongs to one frame: terminals that know this mode (DEC private mode 2026) show it at once and whole,
#: the others ignore it.
BEGIN, END = "\x1b[?2026h", "\x1b[?2026l"
#: Asks for the colour of the page, and then for what every terminal answers: after that no answer to the first comes.
ASK_PAGE = "\x1b]11;?\x1b\\\x1b[c"
_PAGE = re.compile(rb"\x1b\]11;rgba?:([0-9a-fA-F]+)/([0-9a-fA-F]+)/([0-9a-fA-F]+)")
_LAST_ANSWER = re.compile(rb"\x1b\[\?[0-9;]*c")
#: Seconds that the answer is waited for; it takes one way there and back.
PATIENCE = 0.3
#: Unchanged cells between two changes that are written again, as that is shorter than to skip them.
SHORT = 6

#: Bytes that are written in one go.
PIECE = 16_384

Cells = tuple[NDArray[np.uint32], NDArray[np.uint8]]


def stream_to_draw_on() -> TextIO | None:
    """Standard output if it is a terminal, else standard error if that is one."""
    return next((stream for stream in (sys.stdout, sys.stderr) if is_terminal(stream)), None)


def why_not(environment: Mapping[str, str], platform: str = sys.platform) -> str:
    """Why nothing can be drawn on this terminal, in words for people; empty where it can."""
    if platform == "win32":
        return "it is not made for Windows' console"
    if stream_to_draw_on() is None:
        return "neither standard output nor standard error is a terminal"
    if environment.get("TERM", "") in ("", "dumb", "unknown"):
        return f"TERM is {environment.get('TERM', '')!r}, a terminal that cannot draw"
    return ""


def colours_of(environment: Mapping[str, str]) -> int:
    """How many colours a terminal has: 256, 16 or 0. NO_COLOR, set and not empty, decides."""
    if environment.get("NO_COLOR"):
        return 0
    kind = environment.get("TERM", "")
    if "256" in kind or "direct" in kind or environment.get("COLORTERM") in ("truecolor", "24bit"):
        return 256
    return 0 if kind.startswith(("vt1", "vt2", "vt5")) else 16


def has_dark_page(descriptor: int, environment: Mapping[str, str]) -> bool:
    """Whether a terminal's page is dark: it is asked, else COLORFGBG says so, else it is taken for dark."""
    answer = _PAGE.search(_answers(descriptor))
    if answer is not None:
        red, green, blue = (int(part, 16) / float(16 ** len(part) - 1) for part in answer.groups())
        return 0.299 * red + 0.587 * green + 0.114 * blue < 0.5  # luma, as ITU-R BT.601 weighs the colours
    return environment.get("COLORFGBG", "").rpartition(";")[2] not in ("7", "15")


if sys.platform != "win32":
    import termios
    import tty

    from streamforest.terminal.suspension import around_suspension, no_more_around_suspension

    def _answers(descriptor: int) -> bytes:
        """What a terminal answers to ASK_PAGE; empty where it is not this program's to ask."""
        answers = b""
        try:
            if not os.isatty(0) or os.ttyname(0) != os.ttyname(descriptor) or os.tcgetpgrp(0) != os.getpgrp():
                return answers
            before = termios.tcgetattr(0)
            tty.setcbreak(0, termios.TCSANOW)
            try:
                os.write(descriptor, ASK_PAGE.encode())
                ends = time.monotonic() + PATIENCE
                while not _LAST_ANSWER.search(answers) and (left := ends - time.monotonic()) > 0:
                    if not select.select([0], [], [], left)[0]:
                        break
                    answers += os.read(0, 1024)
            finally:
                termios.tcsetattr(0, termios.TCSANOW, before)
        except (OSError, termios.error):
            pass
        return answers

    class Screen:
        """The screen of the terminal that a stream leads to.

        It is drawn on while this job is in the foreground, and is as it was before while the job is stopped, in the
        background, and at every end of the program.

        Parameters
        ----------
        stream : text stream
            Leads to the terminal; its encoding is what can be shown.
        palette : sequence of str
            Escape sequence of each style.

        Raises
        ------
        OSError
            The terminal cannot be written.

        Attributes
        ----------
        is_gone : bool
            Whether the terminal went away, or was given back for good.
        """

        def __init__(self, stream: TextIO, palette: Sequence[str]) -> None:
            self.is_gone = False
            self._terminal = stream.fileno()
            self._encoding = stream.encoding or "ascii"
            self._palette = palette
            self._writer, self._is_own_writer = _writer_of(self._terminal)
            self._shown: Cells | None = None
            self._unsent = b""
            self._is_taken = False
            around_suspension(self._give_back, self._take)
            before_abrupt_end(self._give_back)
            self._take()

        @property
        def size(self) -> tuple[int, int]:
            """Columns and rows, at least 1 each."""
            try:
                columns, rows = os.get_terminal_size(self._terminal)
            except OSError:
                self.is_gone = True
                return 1, 1
            return max(1, columns), max(1, rows)

        @property
        def is_ready(self) -> bool:
            """Whether another frame can be shown: the one before is written, and the terminal is this job's."""
            self._send()
            if not self._is_mine():
                self._is_taken = False
            elif not self._is_taken:
                self._take()
            return self._is_taken and not self._unsent and not self.is_gone

        def show(self, codes: NDArray[np.uint32], styles: NDArray[np.uint8]) -> None:
            """Show a frame: code points and styles, shape (rows, columns) each; 0 behind a wide character."""
            if not self.is_ready:
                return
            new = codes.copy(), styles.copy()
            is_same_size = self._shown is not None and self._shown[0].shape == codes.shape
            text = "".join(_changes(new, self._shown if is_same_size else None, self._palette))
            if not is_same_size:
                text = f"{self._palette[0]}\x1b[2J{text}"
            self._shown = new
            if text:
                self._unsent = f"{BEGIN}{text}{END}".encode(self._encoding, "replace")
                self._send()

        def close(self) -> None:
            """Give the terminal back as it was; may be called twice."""
            if self._is_taken:
                select.select([], [self._writer], [], PATIENCE)  # what was drawn last may still be on its way
            self._give_back()
            self.is_gone = True
            no_more_around_suspension(self._give_back, self._take)
            no_more_before_abrupt_end(self._give_back)
            if self._is_own_writer:
                self._is_own_writer = False
                os.close(self._writer)

        def _is_mine(self) -> bool:
            """Whether this job is in the foreground."""
            try:
                return os.tcgetpgrp(self._terminal) == os.getpgrp()
            except OSError:
                return not self.is_gone  # a terminal that controls no job, as it may be in a container

        def _take(self) -> None:
            """Take the screen, if it is this job's; all is drawn anew then."""
            if not self.is_gone and self._is_mine():
                self._is_taken = True
                self._shown, self._unsent = None, TAKE.encode()
                self._send()

        def _give_back(self) -> None:
            """Give the screen back; it may be called in the middle of anything, from any thread."""
            if self._is_taken:
                self._is_taken = False
                self._shown, self._unsent = None, b""
                if self._is_mine():
                    with suppress(OSError):
                        os.write(self._writer, GIVE_BACK.encode())

        def _send(self) -> None:
            """Write what the terminal takes now; never waits, as the reader may stand still."""
            try:
                while self._unsent and self._is_taken:
                    size = os.write(self._writer, self._unsent[:PIECE])
                    self._unsent = self._unsent[size:]
            except BlockingIOError:
                return
            except OSError:
                self.is_gone, self._unsent = True, b""


def _writer_of(terminal: int) -> tuple[int, bool]:
    """A descriptor that writes to a terminal and never waits, and whether it has to be closed.

    It is opened anew: what is set for a descriptor holds for all programs that share it.
    """
    flags = os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK
    for path in (_name_of(terminal), "/dev/tty"):
        with suppress(OSError):
            if path is not None:
                return os.open(path, flags), True
    return terminal, False


def _name_of(terminal: int) -> str | None:
    try:
        return os.ttyname(terminal)
    except OSError:
        return None


def _changes(new: Cells, old: Cells | None, palette: Sequence[str]) -> Iterator[str]:
    """What has to be written so that a terminal which shows one frame shows another."""
    codes, styles = new
    if old is None:
        changed = np.ones(codes.shape, dtype=bool)
    else:
        changed = (codes != old[0]) | (styles != old[1])
        is_wide = ((codes == 0) | (old[0] == 0)).any(axis=1) & changed.any(axis=1)
        changed[is_wide] = True  # half of a wide character cannot be written
    style = -1
    for row in np.flatnonzero(changed.any(axis=1)).tolist():
        places = np.flatnonzero(changed[row])
        cuts = np.flatnonzero(np.diff(places) > SHORT)
        firsts, lasts = places[np.r_[0, cuts + 1]].tolist(), places[np.r_[cuts, len(places) - 1]].tolist()
        for first, last in zip(firsts, lasts, strict=True):
            yield f"\x1b[{row + 1};{first + 1}H"
            part = slice(first, last + 1)
            for run_style, text in _runs(codes[row, part], styles[row, part]):
                if run_style != style:
                    style = run_style
                    yield palette[style]
                yield text


def _runs(codes: NDArray[np.uint32], styles: NDArray[np.uint8]) -> Iterator[tuple[int, str]]:
    """Stretches of one style, each with its text."""
    starts = np.r_[0, np.flatnonzero(np.diff(styles)) + 1]
    for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(styles)], strict=True):
        piece = codes[start:end]
        yield int(styles[start]), "".join(map(chr, piece[piece != 0].tolist()))

"""Standard output: a line a point for people, JSON Lines of points or episodes for programs, or anomalies only."""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
import stat
import sys
from collections.abc import Iterable, Mapping
from itertools import repeat
from pathlib import Path
from typing import Any, Literal, NamedTuple, TextIO

import orjson

from streamforest.moments import iso_time
from streamforest.protocols import (
    LABELS,
    REASONS,
    UNLABELLED,
    ReaderGoneError,
    State,
    Verdict,
    Verdicts,
    verdict_from_row,
    without_streams,
)
from streamforest.state import attributes_of, joined, packed, part_of, set_attributes, unpacked
from streamforest.storage.file_mark import FileMark, mark_at
from streamforest.stream_names import StreamNames
from streamforest.verdicts.incidents import Incidents
from streamforest.verdicts.life import EpisodeLife, event_lines
from streamforest.wording import reason_text

Form = Literal["text", "json", "events", "quiet"]

WIDE = 95  # columns from which on a line has the date in full
#: Columns that a line needs with all its numbers, and without the band; with fewer it has time and value alone.
WITH_BAND, WITH_SCORE = 59, 39
KEY_WIDTH = 16  # columns of a key; a longer one is cut in its middle
HEADER_EVERY = 40  # lines, on a terminal; elsewhere it comes once
RED, DIM, RESET = "\x1b[1;31m", "\x1b[2m", "\x1b[0m"
UNKNOWN = "-"
ASCII_SIGN = "!"  # of an anomalous line, where the stream can show no triangle

LABEL_NAMES = {UNLABELLED: None, **dict(enumerate(LABELS))}


def wants_colour(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether a stream shall get colours.

    FORCE_COLOR, set and not empty, decides; else only a terminal gets them, with NO_COLOR unset or empty
    and TERM other than ``dumb``.
    """
    if environment.get("FORCE_COLOR"):
        return True
    if environment.get("NO_COLOR") or environment.get("TERM") == "dumb":
        return False
    return stream.isatty()


def has_reader(stream: TextIO) -> bool:
    """Whether anybody can read what is written to a stream: nobody can where it is the null device."""
    try:
        written, null = os.fstat(stream.fileno()), Path(os.devnull).stat()
    except (OSError, ValueError):  # no file at all, or Windows, which has no null device to look at
        return True
    return stream.isatty() or not (stat.S_ISCHR(written.st_mode) and os.path.samestat(written, null))


class TerminalSink:
    """Verdicts as lines on a stream, flushed block by block.

    Parameters
    ----------
    stream : text stream
        Standard output.
    form : str
        ``text``: a line a point; ``json``: an object a point with the Verdict's fields, null where unknown;
        ``events``: an object for each thing that happens to an episode; ``quiet``: lines as in ``text``, of anomalous
        points only.
    colour : bool
        Whether anomalous lines are coloured; json never is.
    width : int, optional
        Columns of the terminal; asked for when not given, and taken as enough where the stream is none.
    names : StreamNames, optional
        Of the streams, where there are many: each line begins with the key of its own, each object with ``key``.
    life : EpisodeLife, optional
        Finds what happens to episodes, for the form ``events``.
    incidents : Incidents, optional
        Of many streams, those that it has found, for the same.

    Raises
    ------
    ReaderGoneError
        From ``write``: the reader of a pipe went away.
    OSError
        From ``write``: the stream cannot be written.
    """

    name = "standard output"

    def __init__(
        self,
        stream: TextIO,
        form: Form,
        colour: bool,
        width: int | None = None,
        names: StreamNames | None = None,
        life: EpisodeLife | None = None,
        incidents: Incidents | None = None,
    ) -> None:
        self._incidents = incidents
        self._stream = stream
        self._life = life if form == "events" else None
        self._is_json = form == "json"
        self._is_quiet = form == "quiet"
        is_terminal = stream.isatty()
        self._names = names
        if width is None:
            width = shutil.get_terminal_size().columns if is_terminal else sys.maxsize
        has_header = is_terminal or form == "text"  # few lines in a pipe are for programs, such as one that sends mail
        look = _Look(colour, _sign(stream), has_header, is_terminal, width)
        self._lines = _Lines(look) if names is None else _KeyedLines(look, names)

    def write(self, verdicts: Verdicts) -> None:
        """Take one block of verdicts, shape (n,), n >= 1."""
        if self._life is not None:
            incidents = [] if self._incidents is None else self._incidents.new_events()
            self._put(event_lines([*self._life.add(verdicts), *incidents]))
            return
        if self._is_quiet:
            verdicts = verdicts[verdicts["is_anomaly"]]
        if not len(verdicts):
            return
        self._put(json_lines(verdicts, self._names) if self._is_json else self._lines.format(verdicts))

    def _put(self, text: str) -> None:
        if not text:
            return
        if not text.isascii():  # a key may have signs that the stream cannot show
            encoding = self._stream.encoding or "utf-8"
            text = text.encode(encoding, "backslashreplace").decode(encoding)
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError as error:
            if _is_reader_gone(error):
                raise ReaderGoneError(str(error)) from error
            raise

    def close(self) -> None:
        """Write the ends of the open episodes, where these are what is written; nothing else is held back."""
        if self._life is not None:
            incidents = [] if self._incidents is None else self._incidents.last_events()
            self._put(event_lines([*self._life.finish(), *incidents]))

    def state(self) -> State:
        """What the columns look like, and where the stream ends if it is a file."""
        self._stream.flush()
        mark = mark_at(self._stream.fileno())
        if mark is not None:
            os.fsync(self._stream.fileno())
        own = {"lines": attributes_of(self._lines, _Lines.FACTS), "file": packed(mark)}
        return own | ({} if self._life is None else joined({"life": self._life.state()}))

    def restore(self, state: State, *, cut: bool) -> str:
        """Go on behind the last line; see ResumableSink."""
        saved = unpacked(state, "file", FileMark | None)
        self._lines.restore(state)
        if self._life is not None and (life := part_of(state, "life")):
            self._life.restore(life)
        descriptor = self._stream.fileno()
        if saved is None or mark_at(descriptor) is None or not cut:
            return ""
        mark = FileMark(*saved)
        if not mark.fits(descriptor):
            return "it is not the file of the checkpoint, or was emptied: lines may be missing or come twice (use >>)"
        os.ftruncate(descriptor, mark.length)
        os.lseek(descriptor, 0, os.SEEK_END)  # the place is shared with the program that opened the file
        return ""


def _is_reader_gone(error: OSError) -> bool:
    """Whether a pipe has no reader any more; Windows says so with "invalid argument"."""
    return isinstance(error, BrokenPipeError) or (sys.platform == "win32" and error.errno == errno.EINVAL)


def _sign(stream: TextIO) -> str:
    """The mark of an anomalous line that the stream can show."""
    try:
        "\u25b2\u2026".encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return ASCII_SIGN
    return "\u25b2"


class _Look(NamedTuple):
    """How lines look: in colour or not, the sign of an anomaly, whether and how often a header comes, columns."""

    colour: bool
    sign: str
    has_header: bool
    repeats_header: bool
    columns: int


class _Lines:
    """Verdicts -> aligned lines of text."""

    #: What is learned from line to line.
    FACTS = ("_has_fractions", "_scale", "_decimals", "_since_header")

    #: Name of the column of keys, and the columns that it takes.
    KEY: str | None = None
    KEY_COLUMNS = 0

    def __init__(self, look: _Look) -> None:
        self._look = look
        self._is_wide = look.columns >= WIDE + self.KEY_COLUMNS
        self._has_fractions = False  # whether a time with a part of a second was seen
        self._scale = 0.0  # the largest normal number so far
        self._decimals: int | None = None  # of the numbers, so that they stand below one another
        self._since_header = HEADER_EVERY

    def restore(self, state: State) -> None:
        """Go on with the columns as they were; raises ValueError where there can be no such ones."""
        set_attributes(self, self.FACTS, state, "lines")
        if self._decimals != _decimals(self._scale):
            raise ValueError("the saved decimals of the lines are not those of their numbers")

    def format(self, verdicts: Verdicts) -> str:
        """The lines of one block, each with its end."""
        lines: list[str] = []
        for row, key in zip(without_streams(verdicts).tolist(), self._keys(verdicts), strict=False):
            self._learn(row)
            if self._look.has_header:
                self._add_header(lines)
            lines.append(self._line(row, key))
        return "".join(lines)

    def _keys(self, _verdicts: Verdicts) -> Iterable[str | None]:
        """What stands in front of each line."""
        return repeat(None)

    def _learn(self, row: tuple[Any, ...]) -> None:
        """Choose the columns' notation by what has come so far, anomalous values left out."""
        _, time, value, _, _, _, _, is_anomaly, _, lower, upper, _, _ = row
        self._has_fractions = self._has_fractions or time % 1 > 0
        for number in (lower, upper) if is_anomaly else (value, lower, upper):
            if abs(number) > self._scale:
                self._scale = abs(number)
                self._decimals = _decimals(self._scale)

    def _add_header(self, lines: list[str]) -> None:
        if self._since_header >= HEADER_EVERY:
            self._since_header = 0
            header = self._joined(" ", self.KEY, "time", "value", "at least", "at most", "score", "limit", "")
            lines.append(self._painted(DIM, header))
        self._since_header += self._look.repeats_header

    def _line(self, row: tuple[Any, ...], key: str | None) -> str:
        index, time, value, _, score, threshold, _, is_anomaly, _, lower, upper, _, reason = row
        bound = 10 if self._is_wide else 9
        longest = bound if self._has_fractions and not self._is_wide else bound + 1
        moment = str(index) if math.isnan(time) else self._moment(time)
        why = self._why(verdict_from_row(row)) if is_anomaly else REASONS[reason]
        cells = (
            moment,
            "missing" if math.isnan(value) else self._number(value, longest),
            self._number(lower, bound),
            self._number(upper, bound),
            _fraction(score),
            _fraction(threshold),
        )
        sign = self._look.sign if is_anomaly else " "
        line = self._joined(sign, key, *cells, why)
        if is_anomaly and len(line) > self._look.columns:
            line = f"{self._start(sign, key)} {moment}  {why}"  # the reason has the value and the band
        return self._painted(RED, line) if is_anomaly else line + "\n"

    def _why(self, verdict: Verdict) -> str:
        """The whole reason, in signs that the stream can show."""
        return verdict.reason if self._look.sign == ASCII_SIGN else reason_text(verdict)

    def _start(self, sign: str, key: str | None) -> str:
        """What a line begins with: the sign, and the key where there are many streams."""
        return sign if key is None else f"{sign} {_cut_key(key):<{KEY_WIDTH}} "

    def _joined(self, sign: str, key: str | None, *cells: str) -> str:
        """One line of cells: time, value, lower, upper, score, threshold, reason; as many as there are columns for."""
        time, value, lower, upper, score, limit, why = cells
        start, fraction = self._start(sign, key), 4 if self._has_fractions else 0
        if self._is_wide:
            band = f"  {lower:>10}  {upper:>10}"
            line = f"{start} {time:>{20 + fraction}}  {value:>11}{band}  {score:>5}  {limit:>5}  {why}"
            return line.rstrip()
        columns = self._look.columns - self.KEY_COLUMNS
        line = f"{start} {time:>{14 + fraction}} {value:>{9 if fraction else 10}}"
        if columns >= WITH_BAND + fraction:
            line += f" {lower:>9} {upper:>9}"
        if columns >= WITH_SCORE + fraction:
            line += f" {score:>5} {limit:>5}"
        return f"{line} {why}".rstrip()

    def _moment(self, seconds: float) -> str:
        """A time as ISO 8601 in UTC; in a narrow terminal without year and zone."""
        text = iso_time(seconds, self._has_fractions)
        return text if self._is_wide or "T" not in text else text[5:-1].replace("T", " ")

    def _number(self, number: float, width: int) -> str:
        """A number in the stream's decimals, or else as many digits as fit; ``-`` where it is unknown."""
        if math.isnan(number):
            return UNKNOWN
        decimals = () if self._decimals is None else range(self._decimals, -1, -1)
        texts = (f"{number:.{places}f}" for places in decimals)
        return next((text for text in texts if len(text) <= width), "") or _short(number, width)

    def _painted(self, colour: str, line: str) -> str:
        return f"{colour}{line}{RESET}\n" if self._look.colour else line + "\n"


class _KeyedLines(_Lines):
    """The same of many streams: each line begins with the key of its own."""

    KEY = "key"
    KEY_COLUMNS = KEY_WIDTH + 2

    def __init__(self, look: _Look, names: StreamNames) -> None:
        super().__init__(look)
        self._names = names

    def _keys(self, verdicts: Verdicts) -> Iterable[str]:
        return map(self._names.shown, verdicts["stream"].tolist())

    def _learn(self, row: tuple[Any, ...]) -> None:
        """Only the notation of times is common to all streams: each has values of its own size."""
        time = row[1]
        self._has_fractions = self._has_fractions or time % 1 > 0


def _cut_key(key: str) -> str:
    """A key in the width that it has, its start and its end where it is too long."""
    return key if len(key) <= KEY_WIDTH else f"{key[: KEY_WIDTH // 2 - 1]}..{key[1 - KEY_WIDTH // 2 :]}"


def _decimals(scale: float) -> int | None:
    """Decimals that give numbers of this size five digits; None where they are better written in another way."""
    return max(0, 4 - math.floor(math.log10(scale))) if 1e-3 <= scale < 1e7 else None


def _short(number: float, width: int) -> str:
    """A number with as many of six digits as fit the width."""
    texts = (f"{number:.{digits}g}" for digits in (6, 5, 4, 3, 2, 1))
    return next((text for text in texts if len(text) <= width), f"{number:.0e}")


def _fraction(number: float) -> str:
    return UNKNOWN if math.isnan(number) else f"{number:.3f}"


def json_lines(verdicts: Verdicts, names: StreamNames | None = None) -> str:
    """One JSON object a verdict, each on its line, fields as in Verdict; unknown and infinite numbers are null.

    Where there are many streams, ``key`` comes first.
    """
    starts: Iterable[bytes] = repeat(b"{")
    if names is not None:  # a key is a source's: what a terminal might take for a command is escaped
        keys = map(names.key_of, verdicts["stream"].tolist())
        starts = (b'{"key":%b,' % json.dumps(key).encode() for key in keys)
    lines = bytearray()  # grown line by line: to keep each until the end takes twice as long
    for row, start in zip(without_streams(verdicts).tolist(), starts, strict=False):
        index, time, value, label, score, threshold, p_value, is_anomaly, expected, lower, upper, episode, reason = row
        fields = {
            "index": index,
            "time": time,
            "value": value,
            "label": LABEL_NAMES[label],
            "score": score,
            "threshold": threshold,
            "p_value": p_value,
            "is_anomaly": is_anomaly,
            "expected": expected,
            "lower": lower,
            "upper": upper,
            "episode": episode or None,
            "reason": verdict_from_row(row).reason if reason else "",
        }
        lines += start + orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE)[1:]
    return lines.decode()

"""The first bytes of a text: columns and forms are learnt from them before they are read, in a pipe as in a file."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterator
from itertools import chain
from typing import IO

from streamforest.connections.compression import HEAD, compression_of, no_text
from streamforest.connections.pipes import CHUNK, arriving
from streamforest.protocols import Stop
from streamforest.reading.line_reader import LIMIT, RowReader
from streamforest.reading.table_search import MOST_LINES
from streamforest.reading.text_conversion import TextConverter

#: Bytes at the start of a text from which its columns are learnt, and how they are written.
SAMPLE = 262_144
#: What is said of a text that is read backwards.
BACKWARDS = "newest row first: read backwards, its lines counted from the end"
#: Seconds: what comes through a pipe without such a silence, and before so long, is looked at together. A file that is
#: written to the pipe comes so; of a stream whose lines have to be waited for the first reading is judged that much
#: later, once.
SILENCE, LONGEST = 0.2, 1.0


def arriving_text(descriptor: int, stop: Stop, reader: RowReader) -> Iterator[bytes]:
    """Yield the text that comes through a pipe, of which the reader has learnt from what is there at once.

    A text that is there as a whole is understood as that of a file: what sums up its rows is known, and it is read
    backwards if its newest row comes first. Of a stream that goes on, fewer than MOST_LINES lines are left to the
    reader, which takes as few as are enough.

    Raises
    ------
    OSError
        The descriptor cannot be read.
    SourceError
        As of ``RowReader.learn``.
    """
    raw = arriving(descriptor, stop, silence=SILENCE)
    first, is_whole = _at_once(raw)
    converter = TextConverter()
    head = b"".join(first)
    if stop.requested or compression_of(head[:HEAD]) or no_text(head[:HEAD]):
        is_whole = False  # the reader says what it is
    elif is_whole:
        sample = b"".join(converter.chunks(iter(first)))
        reader.learn(sample, b"")
        reader.notes = (*converter.notes, *([BACKWARDS] if reader.is_newest_first else []))
        text = io.BytesIO(sample)
        yield from turned(text, reader.table_start) if reader.is_newest_first else _pieces(text)
    elif head.count(b"\n") >= MOST_LINES and _has_lines(head):
        reader.learn(head[: head.rfind(b"\n") + 1])
    if not is_whole:
        yield from converter.chunks(chain(first, filter(None, raw)))


def _at_once(raw: Iterator[bytes]) -> tuple[list[bytes], bool]:
    """The first chunks, up to the first silence or SAMPLE bytes; and whether these are all."""
    chunks: list[bytes] = []
    size, end = 0, 0.0
    for chunk in raw:
        end = end or time.monotonic() + LONGEST
        chunks += [chunk] if chunk else []
        size += len(chunk)
        if not chunk or size >= SAMPLE or time.monotonic() > end:
            return chunks, False
    return chunks, True


def _has_lines(head: bytes) -> bool:
    """Whether a text that goes on has a row in each line: no JSON document over several of them, and no UTF-16."""
    begin = head.lstrip(b"\xef\xbb\xbf \r\n")
    first = begin.partition(b"\n")[0].rstrip(b" \r,")
    return b"\0" not in head[:HEAD] and begin[:1] != b"[" and (begin[:1] != b"{" or first[-1:] == b"}")


def _pieces(text: IO[bytes]) -> Iterator[bytes]:
    return iter(lambda: text.read(LIMIT), b"")


def turned(file: IO[bytes], start: int) -> Iterator[bytes]:
    """Yield a text with its rows, from a place on, in reversed order behind what stands before them."""
    file.seek(0)
    yield from iter(lambda: file.read(min(CHUNK, start - file.tell())), b"")
    yield from backwards(file, start)


def backwards(file: IO[bytes], start: int) -> Iterator[bytes]:
    """Yield the lines of a file from a place on, the last one first, in chunks of whole lines."""
    at = file.seek(0, os.SEEK_END)
    tail = b""
    while at > start:
        size = min(CHUNK, at - start)
        at = file.seek(at - size)
        block = file.read(size) + tail
        cut = 0 if at == start else block.find(b"\n") + 1
        if not cut and at > start:
            tail = block
            continue
        tail = block[:cut]
        lines = [line for line in reversed(block[cut:].split(b"\n")) if line]
        if lines:
            yield b"\n".join(lines) + b"\n"

"""What people said of alarms, and the rules that they took: JSON Lines that a person can read, edit and delete."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from streamforest.storage.safe_files import whole_file

#: A longer file is no file of verdicts: people do not write as much.
MOST_BYTES = 10**7

#: One line, as JSON has it.
Entry = dict[str, Any]


class VerdictFile:
    """A file of verdicts and rules, each line with the stream that it is of.

    Each use reads it anew, so that what a person has changed meanwhile holds, and stays.

    Parameters
    ----------
    path : Path
        The file; it need not be there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def entries(self) -> list[Entry]:
        """All lines, in order; empty where there is no file.

        Raises
        ------
        ValueError
            A line is none, or the file is too long; the message is for the user.
        OSError
            It cannot be read.
        """
        entries: list[Entry] = []
        for number, line in enumerate(self._text().splitlines(), 1):
            if not line.strip():
                continue
            try:
                entry = json.loads(line)
            except (ValueError, RecursionError):
                entry = None
            if not isinstance(entry, dict) or not isinstance(entry.get("stream"), str):
                raise ValueError(f"line {number} is no JSON object with the name of a stream; mend or delete it")
            entries.append(entry)
        return entries

    def add(self, entry: Entry) -> None:
        """Add a line; raises OSError where that cannot be done."""
        text = _line(entry)
        with self.path.open("a+b") as file:
            end = file.seek(0, os.SEEK_END)
            if end:  # an editor may have left the last line without its end
                file.seek(end - 1)
                text = text if file.read(1) == b"\n" else f"\n{text}"
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())

    def withdraw(self, entry: Entry) -> bool:
        """Delete the newest line of an entry; whether it was there. Raises OSError where that cannot be done."""
        lines = self._text().splitlines()
        for at in range(len(lines) - 1, -1, -1):
            if _parsed(lines[at]) == entry:
                del lines[at]
                with whole_file(self.path) as file:
                    file.write("".join(f"{line}\n" for line in lines).encode())
                return True
        return False

    def _text(self) -> str:
        try:
            with self.path.open("rb") as file:
                content = file.read(MOST_BYTES + 1)
        except FileNotFoundError:
            return ""
        if len(content) > MOST_BYTES:
            raise ValueError(f"it has over {MOST_BYTES:,} bytes")
        return content.decode("utf-8", "replace")


def _line(entry: Entry) -> str:
    return json.dumps(entry, allow_nan=False) + "\n"


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None

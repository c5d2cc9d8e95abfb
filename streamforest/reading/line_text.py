"""The bytes of lines -> text: UTF-8, or Windows-1252 where that fails."""

from __future__ import annotations

#: What text is coded in where it is no UTF-8: Windows' own extension of Latin-1.
FALLBACK = "cp1252"
# Characters of a line that are too few to tell its coding.
_SHORT = 5
# What short lines in that coding have beside ASCII: units and letters of names.
_USUAL = "\u00b0\u00b5\u00b2\u00b3\u20ac\u00a3\u00e4\u00f6\u00fc\u00df\u00c4\u00d6\u00dc\u00e9\u00e8\u00e0\u00e7\u00f1"


def text_of(lines: bytes, coding: str = "") -> str | None:
    """Lines as text, without byte order marks and the first half of Windows line ends; None where it is no text."""
    try:
        text = lines.decode()
    except UnicodeDecodeError:
        if not coding:
            return None
        text = lines.decode(coding, "replace")
    if "\r" in text:
        text = text.replace("\r\n", "\n").removesuffix("\r")
    return text.replace("\ufeff", "") if "\ufeff" in text else text


def old_text(raw: bytes) -> str | None:
    """A line that is no UTF-8 but most likely text in FALLBACK; else None."""
    if raw.isascii() or text_of(raw) is not None:
        return None
    try:
        text = raw.decode(FALLBACK).removesuffix("\r")
    except UnicodeDecodeError:
        return None
    n = sum(map(str.isascii, text))
    is_likely = text.replace("\t", "").replace("\xa0", "").isprintable() and 2 * n > len(text) and len(text) > _SHORT
    is_likely = is_likely or all(sign.isascii() or sign in _USUAL for sign in text)
    return text if is_likely else None


def coding_of(sample: bytes) -> str:
    """The coding of a text by its first lines: empty for UTF-8, or FALLBACK."""
    return FALLBACK if any(old_text(raw) is not None for raw in sample.split(b"\n")[:-1]) else ""

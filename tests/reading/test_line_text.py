import pytest

from streamforest.reading.line_text import FALLBACK, coding_of, old_text, text_of


def test_utf_8_is_text_without_marks_and_the_first_half_of_windows_line_ends():
    assert text_of("\ufeffa\r\n\u00b0\r".encode()) == "a\n\u00b0"
    assert text_of(b"5\xb0") is None
    assert text_of(b"5\xb0", FALLBACK) == "5\u00b0"


@pytest.mark.parametrize("text", ["Zeit;Temperatur \u00b0C", "5\u20ac", "\u00fc"])
def test_lines_in_windows_1252_are_known_by_what_is_usual_in_them(text):
    assert old_text(text.encode(FALLBACK)) == text
    assert coding_of(text.encode(FALLBACK) + b"\n") == FALLBACK


@pytest.mark.parametrize("raw", [b"5\xff\x81", b"\xfe\xff\x00\x01\x02\xfe", "\u00b0C 5".encode(), b"5"])
def test_rubbish_and_utf_8_are_none(raw):
    assert old_text(raw) is None
    assert coding_of(raw + b"\n") == ""

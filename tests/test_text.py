import re

from hypothesis import given
from hypothesis import strategies as st

from streamforest.text import escaped, inert_cell, shown

HARMFUL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@given(st.text())
def test_what_is_shown_is_one_line_without_anything_unseen(text):
    assert escaped(text).isprintable()
    assert not HARMFUL.search(escaped(text))


@given(st.text().filter(str.isprintable))
def test_what_can_be_seen_stays_as_it_is(text):
    assert escaped(text) == text


def test_escapes_are_those_of_python():
    assert escaped("a\x1b]0;x\x07\x9b1m\n\u202e\U000e0041") == r"a\x1b]0;x\x07\x9b1m\n\u202e\U000e0041"


@given(st.sampled_from("=+-@\t\r\n|%"), st.text())
def test_a_cell_that_may_be_a_formula_begins_with_an_apostrophe(sign, text):
    cell = inert_cell(sign + text)
    try:
        float(sign + text)
    except ValueError:
        assert cell == f"'{sign}{text}"
    else:
        assert cell == sign + text


@given(st.floats(allow_nan=False))
def test_a_number_stays_a_number(number):
    assert inert_cell(repr(number)) == repr(number)


def test_shown_text_is_short_and_cannot_steer_a_terminal():
    assert shown("\x1b[31m\n\u202e") == r"'\x1b[31m\n\u202e'"
    assert shown("x" * 41) == "'" + "x" * 40 + "'..."


def test_a_wide_sign_begins_a_formula_too():
    for sign in "\uff1d\uff0b\uff0d\uff20\uff5c\uff05=+@|%":
        assert inert_cell(f"{sign}1+1") == f"'{sign}1+1"

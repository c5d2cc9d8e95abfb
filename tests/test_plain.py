import re

from hypothesis import given
from hypothesis import strategies as st

from streamforest.plain import inert_cell, plain

HARMFUL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@given(st.text())
def test_what_is_shown_is_one_line_without_anything_unseen(text):
    assert plain(text).isprintable()
    assert not HARMFUL.search(plain(text))


@given(st.text().filter(str.isprintable))
def test_what_can_be_seen_stays_as_it_is(text):
    assert plain(text) == text


def test_escapes_are_those_of_python():
    assert plain("a\x1b]0;x\x07\x9b1m\n\u202e\U000e0041") == r"a\x1b]0;x\x07\x9b1m\n\u202e\U000e0041"


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

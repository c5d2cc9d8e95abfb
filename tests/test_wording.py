import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamforest.protocols import REASONS, verdict_from_row
from streamforest.wording import (
    cut,
    duration_text,
    expected_text,
    kind_text,
    number_text,
    rate_text,
    reason_text,
    spread_text,
)

NAN = math.nan


def verdict(reason, value=31253.7, expected=9654.2, lower=-11960.0, upper=31252.0):
    number = REASONS.index(reason)
    return verdict_from_row((7, NAN, value, -1, 0.9, 0.6, 1e-4, bool(number), expected, lower, upper, 1, number))


def read(text):
    return float(text.replace(",", "").replace("\N{MINUS SIGN}", "-"))


@settings(deadline=None)
@given(st.floats(-1e307, 1e307))
def test_a_number_by_itself_keeps_five_digits_and_says_no_more(number):
    text = number_text(number)
    assert read(text) == pytest.approx(number, rel=5e-5, abs=1e-300)
    assert "e+" not in text
    assert not ("." in text and text.endswith("0") and "e" not in text)


@settings(deadline=None)
@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9))
def test_a_number_beside_a_band_is_as_fine_as_a_hundredth_of_its_leading_digit(number, half):
    if 0 < abs(number) < 1e-4:
        return
    assert abs(read(number_text(number, half)) - number) <= max(0.5, half / 100)


@pytest.mark.parametrize("number", [None, NAN, math.inf, -math.inf])
def test_what_is_not_known_is_said_to_be_unknown(number):
    assert number_text(number) == number_text(number, 5.0) == "unknown"
    assert spread_text(number) == "unknown"


def test_signs_thousands_and_powers():
    texts = {
        -31253.7: "\N{MINUS SIGN}31,254",
        -0.0: "0",
        1e15: "1e15",
        -2.5e-9: "\N{MINUS SIGN}2.5e\N{MINUS SIGN}9",
        0.5: "0.5",
    }
    assert {number: number_text(number) for number in texts} == texts


def test_a_reason_has_the_same_notation_for_all_its_numbers():
    assert reason_text(verdict("spike")) == "spike: 31,254, expected 9,654 ± 21,600"
    assert reason_text(verdict("")) == kind_text(verdict("")) == ""
    assert reason_text(verdict("gap", value=NAN)) == "gap: no reading, expected 9,654 ± 21,600"
    assert reason_text(verdict("too long")) == "too long: 31,254"
    assert reason_text(verdict("spike", 83.1, NAN, NAN, NAN)) == "spike: 83.1"
    assert reason_text(verdict("season break", 83.1, 41, 34.2, 47.8)).endswith("41 ± 6.8 at this point of the season")
    assert expected_text(verdict("spike", 83.1, NAN, NAN, NAN)) == "unknown"


@settings(deadline=None)
@given(st.floats(1e-9, 1e9))
def test_a_rate_has_a_number_that_can_be_read(rate):
    number, unit = rate_text(rate)
    assert read(number) >= 1 or unit == "day"
    seconds = {"s": 1, "min": 60, "h": 3600, "day": 86_400}[unit]
    assert read(number) / seconds == pytest.approx(rate, rel=6e-3)


@pytest.mark.parametrize(
    ("text", "letters", "expected"), [("abc", 3, "abc"), ("abcdefgh", 5, "ab…gh"), ("abc", 1, "a…c")]
)
def test_a_long_text_loses_its_middle(text, letters, expected):
    assert cut(text, letters) == expected


def test_how_long_something_lasted_is_told_in_the_unit_that_makes_it_readable():
    lengths = (0, 59, 90, 300, 7300, 3e5, 1e9)
    assert [*map(duration_text, lengths)] == ["0 s", "59 s", "90 s", "5 min", "2 h", "3.5 days", "12,000 days"]

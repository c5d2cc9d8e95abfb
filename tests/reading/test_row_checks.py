from datetime import UTC, datetime

import numpy as np
import pytest

from streamforest.reading.column_layout import Layout
from streamforest.reading.row_checks import (
    end_of_summer_time,
    footers_of,
    has_autumn_night,
    missing_codes,
    several_series,
)

NAMED = Layout(("item", "v"), 1, None, None, ",", "item,v")
TIMED = Layout(("time", "v"), 1, 0, None, ",", "time,v")
ALONE = Layout(("v",), 0, None, None)
VALUES = [5, 7, 6, 5, 8, 6, 7, 5, 6]  # their sum is 55, their mean 6.11


def footers(layout, name, *last, is_whole=True):
    rows = [f"{name.format(k)}{value}" for k, value in enumerate(VALUES)]
    return footers_of([*rows, *last] if is_whole else rows, [*rows, *last], layout, is_whole=is_whole)


@pytest.mark.parametrize(
    ("layout", "name", "last"),
    [
        (NAMED, "a{},", ["Total,55"]),
        (NAMED, "a{},", ["Grand total,1"]),
        (NAMED, "a{},", ["Min,5", "Max,8", "Average,6.1"]),
        (NAMED, "a{},", [",55"]),
        (NAMED, "a{},", [",6.11"]),
        (ALONE, "", ["55"]),
        (TIMED, "2024-03-0{}T00:00,", [",55"]),
        (TIMED, "2024-03-0{}T00:00,", [",6.1"]),
    ],
)
def test_a_line_at_the_end_that_sums_up_is_a_footer(layout, name, last):
    assert footers(layout, name, *last) == tuple(reversed(last))


@pytest.mark.parametrize(
    ("layout", "name", "last"),
    [
        (NAMED, "a{},", "a9,7"),
        (NAMED, "max{},", "max9,55.5"),
        (NAMED, "a{},", ",54"),
        (ALONE, "", "54"),
        (ALONE, "", "6.11"),
        (TIMED, "2024-03-0{}T00:00,", "2024-03-10T00:00,55"),
        (TIMED, "2024-03-0{}T00:00,", ",7"),
    ],
)
def test_a_reading_at_the_end_is_none(layout, name, last):
    assert footers(layout, name, last) == ()


def test_of_a_text_that_is_not_known_whole_a_value_beyond_all_others_is_taken_for_their_sum_only_without_a_time():
    assert footers(TIMED, "2024-03-0{}T00:00,", ",900", is_whole=False) == (",900",)
    assert footers(ALONE, "", "900", is_whole=False) == ()


def test_a_column_says_of_which_series_rows_are_if_times_go_on_in_each_only():
    times = np.repeat(np.arange(6.0), 2)
    assert several_series(["a", "b"] * 6, times, "room")
    assert several_series(["a"] * 6 + ["b"] * 6, np.tile(np.arange(6.0), 2), "room")
    assert several_series(["a", "b"] * 6, np.arange(12.0), "entity_id")
    assert not several_series(["a", "b"] * 6, np.arange(12.0), "room")
    assert not several_series(["a", "a", "b", "b"] * 3, times, "kind")
    assert not several_series(["a"] * 12, times, "entity_id")
    assert not several_series([f"{k}" for k in range(12)], times, "note")
    assert not several_series(["1.5", "2.5"] * 6, times, "price")


@pytest.mark.parametrize(
    ("codes", "words"),
    [
        ([-999.9] * 3, "-999.9 (3 of 103 rows) judged as it is"),
        ([9999.0, -127.0, -127.0], "-127 (2 of 103 rows) and 9999 (1 of 103 rows)"),
        ([32767], "32767 (1 of 101 rows)"),
        ([99.0, 30.0], ""),  # two digits, as a percentage has
        ([500.0, -400.0], ""),  # no code
        ([-200.0] * 5, "-200 (5 of 105 rows)"),  # the only one below zero
        ([-200.0, -199.0], ""),
        ([np.nan] * 3, ""),
    ],
)
def test_numbers_that_rather_stand_for_missing_readings_are_told(codes, words):
    said = missing_codes(np.array([20 + k % 7 for k in range(100)] + codes))
    assert words in said
    assert bool(said) == bool(words)


def test_a_nine_among_numbers_of_its_size_is_none_that_stands_for_a_missing_reading():
    assert missing_codes(np.array([900.0 + 33 * (k % 5) for k in range(100)] + [999.0])) == ""


@pytest.mark.parametrize(("first", "words"), [("2024-10-27T01:30", "2024-10-27"), ("2024-10-26T01:30", "")])
def test_an_hour_that_comes_twice_is_told_where_clocks_are_put_back(first, words):
    start = datetime.fromisoformat(first).replace(tzinfo=UTC).timestamp()
    times = start + 900.0 * np.array([0, 1, 2, 3, 4, 5, 2, 3, 4, 5, 6])
    assert (words in end_of_summer_time(times), bool(end_of_summer_time(times))) == (True, bool(words))
    assert end_of_summer_time(np.sort(times)) == ""
    assert has_autumn_night(times) == has_autumn_night(times[::-1]) == bool(words)
    assert has_autumn_night(times - 7200) == bool(words)  # from Saturday on

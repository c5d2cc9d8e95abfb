from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from streamforest.reading.notation import RefusedError
from streamforest.reading.time_form import (
    AmbiguousTimeError,
    Period,
    TimeReader,
    is_clock,
    is_digit_clock,
    is_time_text,
    learn_time_form,
    zone_in,
    zone_of,
)

MARCH = datetime(2024, 3, 1, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("cells", "form"),
    [
        (["2024-03-01 0:00"], ""),
        (["1709251200"], ""),
        (["1709251200000000000"], ""),
        (["01.03.2024 00:00"], "dmy"),
        (["01/03/2024", "02/03/2024", "13/03/2024"], "dmy"),
        (["03/01/24 12:00:00 AM", "03/01/24 01:00:00 AM", "03/02/24 01:00:00 AM"], "mdy"),
        (["03/01/2024", "n/a", "03/02/2024", "03/03/2024"], "mdy"),
        (["202403010000"], "compact"),
        (["20240301", "20240302"], "compact"),
        (["45352.0", "45352.1"], "excel"),
        (["739312.0", "739312.1"], "matlab"),
        (["739312", "739313"], "elapsed"),
        (["133537248000000000"], "filetime"),
        (["638448480000000000"], "ticks"),
        (["0", "1", "2"], "elapsed"),
        (["-0.0001", "0"], "elapsed"),
        (["a", "b"], None),
        (["", "n/a"], None),
    ],
)
def test_the_form_of_a_column_is_learnt_from_its_cells(cells, form):
    assert learn_time_form(cells) == form
    if form and form != "elapsed":
        assert TimeReader(form).read(cells[0]) in {MARCH, MARCH - 60 * 86400}


@pytest.mark.parametrize("cells", [["03/04/2024 10:00", "03/04/2024 10:10"], ["500000000"], ["2403010000"]])
def test_what_could_mean_two_times_or_none_that_is_likely_is_asked_for(cells):
    with pytest.raises(AmbiguousTimeError, match="say --time-format"):
        learn_time_form(cells)


@pytest.mark.parametrize("day", ["1402/12/11", "13/03/2567", "1445-08-20 10:00", "15 Mar 2567"])
def test_a_date_of_another_calendar_is_asked_for(day):
    with pytest.raises(AmbiguousTimeError, match="another calendar"):
        learn_time_form([day])
    assert learn_time_form([day, "1899-12-31", "2024-03-01", "1700-01-01"]) is not None


def test_a_time_of_another_form_is_refused_in_words():
    with pytest.raises(RefusedError, match=r"time '13/13/2024' cannot be read as day.month.year"):
        TimeReader("dmy").read("13/13/2024")
    assert np.isnan(TimeReader("dmy").read(" n/a "))
    assert np.isnan(TimeReader("dmy").read(None))


def test_a_pattern_of_strptime_and_a_unit_in_the_name_are_forms():
    assert TimeReader("%d|%m|%Y").read("01|03|2024") == MARCH
    assert TimeReader("%d|%m|%Y %z").read("01|03|2024 +0100") == MARCH - 3600
    assert TimeReader(learn_time_form(["0", "500"], "Time (ms)")).read("500") == 0.5


def test_times_without_a_zone_are_of_the_one_that_is_named():
    assert TimeReader("", "+02:00").read("2024-03-01 02:00") == MARCH
    assert TimeReader("", "GMT-08:00").read("2024-02-29 16:00") == MARCH
    assert TimeReader("", "Europe/Vienna").read("2024-03-01 01:00") == MARCH
    assert TimeReader("", "Europe/Vienna").read("2024-03-01T00:00Z") == MARCH
    assert zone_in("Date Time, GMT-08:00") == "GMT-08:00"
    with pytest.raises(ValueError, match="is no time zone"):
        zone_of("Mars/Olympus")


def test_the_hour_that_comes_twice_and_the_one_that_never_comes():
    vienna = ZoneInfo("Europe/Vienna")
    start = datetime(2024, 10, 26, 22, tzinfo=UTC)
    moments = [start + timedelta(minutes=15 * k) for k in range(20)]
    walls = [moment.astimezone(vienna).strftime("%d.%m.%Y %H:%M") for moment in moments]
    reader = TimeReader("dmy", "Europe/Vienna")
    assert [reader.read(wall) for wall in walls] == [moment.timestamp() for moment in moments]
    naive = np.array([moment.timestamp() + moment.astimezone(vienna).utcoffset().total_seconds() for moment in moments])
    assert TimeReader("dmy", "Europe/Vienna").local(naive).tolist() == [moment.timestamp() for moment in moments]
    hole = TimeReader("", "Europe/Vienna").read("2024-03-31 02:30")
    assert hole == datetime(2024, 3, 31, 1, 30, tzinfo=UTC).timestamp()


def test_clocks_and_texts_are_told():
    assert [is_clock(cell) for cell in ("0:00", "25:61", "1:00 PM", "1.5")] == [True, False, True, False]
    assert [is_digit_clock(cell) for cell in ("000000", "2359", "2460", "123")] == [True, True, False, False]
    assert [is_time_text(cell) for cell in ("1.3.2024", "1.3", "x", "3/4/2024")] == [True, False, False, True]


@pytest.mark.parametrize(
    ("form", "text"), [("compact", "90240301"), ("dmy", "1.3.9024"), ("", "9024-03-01"), ("", "9024-03-01 10:00")]
)
def test_a_time_beyond_the_year_5000_is_refused_and_not_taken_for_milliseconds(form, text):
    with pytest.raises(RefusedError, match="is beyond the year 5000"):
        TimeReader(form, "UTC").read(text)


def test_a_year_of_two_digits_may_stand_first_where_dashes_are_and_the_steps_decide():
    days = [f"24-03-{day:02} 10:00" for day in range(1, 13)]
    assert learn_time_form(days) == "ymd"
    assert TimeReader("ymd").read(days[0]) == MARCH + 36_000
    assert learn_time_form([f"{day:02}-03-24" for day in range(1, 13)]) == "dmy"
    with pytest.raises(AmbiguousTimeError, match=r"day and year of '24-03-01 10:00' .* y-m-d or --time-format d-m-y"):
        learn_time_form([f"24-03-01 10:{minute:02}" for minute in range(60)])
    assert learn_time_form(["31-03-99", "01-04-99"]) == "dmy"
    assert learn_time_form([f"24/03/{day:02}" for day in range(1, 9)]) == "ymd"
    with pytest.raises(AmbiguousTimeError, match="day and year"):
        learn_time_form(["24/03/01", "24/03/02", "24/03/03"])
    assert learn_time_form(["24/03/01", "25/03/01", "26/03/01"]) == learn_time_form(["24/03/01"]) == "dmy"
    assert learn_time_form(["01.03.24 10:00", "01.03.24 10:15"]) == "dmy"


@pytest.mark.parametrize(
    ("cells", "pattern"),
    [
        (["2023", "2024", "2025"], "%Y"),
        (["202311", "202312", "202401"], "%Y%m"),
        (["2023365", "2024001", "2024366"], "%Y%j"),
        (["240331", "240401"], "%y%m%d"),
        (["31032024", "01042024"], "%d%m%Y"),
        (["03312024", "04012024"], "%m%d%Y"),
    ],
)
def test_years_months_and_days_of_a_year_are_not_taken_for_seconds(cells, pattern):
    with pytest.raises(AmbiguousTimeError, match=f"say --time-format '{pattern}' or --time-format elapsed"):
        learn_time_form(cells)
    assert datetime.fromtimestamp(TimeReader(pattern).read(cells[-1]), UTC).year in {2024, 2025}
    assert learn_time_form(cells, "t (s)") == "elapsed"


@pytest.mark.parametrize(
    "cells", [["0", "60", "120"], ["2024", "2084", "2144"], ["202403", "202463"], ["2024.5", "2025.5"]]
)
def test_seconds_from_a_start_are_still_such(cells):
    assert learn_time_form(cells) == "elapsed"


@pytest.mark.parametrize(
    ("form", "raw", "text"),
    [
        ("seconds since 2001-01-01", "730944000.5", "2024-03-01T00:00:00.500"),
        ("Hours since 1900-01-01 00:00:00", "1088400", "2024-03-01T00:00:00"),
        ("days since 1904-01-01", "43890,5", "2024-03-01T12:00:00"),
        ("us since 1601-01-01", "13353724800000000", "2024-03-01T00:00:00"),
    ],
)
def test_a_count_since_a_date_is_read(form, raw, text):
    assert TimeReader(form).read(raw) == np.datetime64(text, "us").astype(float) / 1e6


@pytest.mark.parametrize("form", ["excel", "matlab", "days since 1970-01-01"])
def test_days_are_of_the_zone_that_is_said_and_other_counts_of_utc(form):
    utc, there = (
        TimeReader(form, zone).read("739312.5" if form == "matlab" else "45352.5") for zone in (None, "+02:00")
    )
    assert utc - there == 7200
    assert TimeReader("seconds since 2001-01-01", "+02:00").read("0") == 978307200


EPOCHS = {
    "Apple": (730944000, "time", "unix, --time-format 'seconds since 2001-01-01' (2024)"),
    "Apple in ns": (730944000 * 10**9, "time", "'nanoseconds since 2001-01-01' (2024)"),
    "LabVIEW": (3792096000, "time", "'seconds since 1904-01-01' (2024)"),
    "SAS": (2024870400, "time", "'seconds since 1960-01-01' (2024)"),
    "GPS": (1393286418, "GPS time", "'seconds since 1980-01-06' (2024)"),
    "days": (19783, "date", "elapsed, --time-format 'days since 1970-01-01' (2024)"),
    "minutes": (28487520, "t", "'minutes since 1970-01-01' (2024)"),
    "hours": (474792, "hour", "'hours since 1970-01-01' (2024)"),
}


@pytest.mark.parametrize(("first", "name", "words"), EPOCHS.values(), ids=EPOCHS)
def test_numbers_that_may_count_from_another_date_are_asked_about_with_what_to_say(first, name, words):
    with pytest.raises(AmbiguousTimeError) as caught:
        learn_time_form([str(first + k) for k in range(9)], name)
    assert words in str(caught.value)


@pytest.mark.parametrize("first", [1_000_000_000, 1_393_286_418, 1_999_000_000, 1_393_286_418_000, 945_000_000_000])
def test_numbers_that_as_unix_time_are_of_these_years_are_not_asked_about(first):
    assert learn_time_form([str(first + k) for k in range(9)], "time") == ""


@pytest.mark.parametrize("cells", [["100", "101"], ["19783", "19784"], ["474792.5", "474793.5"]])
def test_numbers_that_begin_anywhere_are_seconds_from_a_start_if_nothing_says_that_they_are_days(cells):
    assert learn_time_form(cells, "t") == "elapsed"


def test_what_a_name_says_of_a_count_counts_and_a_decimal_comma_is_read():
    assert (
        learn_time_form(["1088376.0", "1088377.0"], "time (hours since 1900-01-01 00:00)") == "h since 1900-01-01 00:00"
    )
    assert learn_time_form(["13353724800000000", "13353724801000000"]) == "us since 1601-01-01"
    form = learn_time_form(["1709251200,5", "1709251201,5"])
    assert TimeReader(form).read("1709251200,5") == 1709251200.5


def test_parts_of_a_day_are_counted_through_a_change_of_summer_time():
    reader = TimeReader("", "Europe/London", Period(1800, 1))
    days = [("2024-10-26", 48), ("2024-10-27", 50), ("2024-10-28", 48)]
    times = [reader.read(f"{day}\t{count}") for day, n in days for count in range(1, n + 1)]
    assert times == [1729897200.0 + 1800 * k for k in range(146)]
    with pytest.raises(RefusedError, match="no number of a part of the day"):
        reader.read("2024-10-27\tlate")


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        ("timestamp (Europe/Vienna)", "Europe/Vienna"),
        ("Time America/New_York", "America/New_York"),
        ("Europe/Nowhere", None),
    ],
)
def test_a_header_may_name_a_town_for_its_zone(name, zone):
    assert zone_in(name) == zone

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamforest.reading.time_text import Wall, iso_moment, read_compact, read_text, simple_seconds

MARCH = datetime(2024, 3, 1, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "order", "seconds"),
    [
        ("2024-03-01 0:05", "", 300),
        ("2024-3-1", "", 0),
        ("2024.03.01 00:00", "", 0),
        ("20240301T000000Z", "", 0),
        ("2024-W09-5", "", 0),
        ("2024-061", "", 0),
        ("2024-061T12:00", "", 43200),
        ("2024-03-01T00:00/2024-03-01T01:00", "", 0),
        ("2024-03-01 00:00 - 2024-03-01 01:00", "", 0),
        ("2024-03-01T01:00/PT1H", "", 3600),
        ("2024-03-01 12:00:00 AM", "", 0),
        ("2024-03-01T24:00", "", 86400),
        ("2024-03-01 01:00:00 CET", "", 0),
        ("2024-03-01T01:00:00,5+0100", "", 0.5),
        ("01.03.2024 00:00", "", 0),
        ("1.3.24", "", 0),
        ("1. 3. 2024 1:00", "", 3600),
        ("03/01/24 12:00:00 PM", "mdy", 43200),
        ("01/03/2024, 00:00", "dmy", 0),
        ("24-03-01", "ymd", 0),
        ("1 Mar 2024", "", 0),
        ("March 1st, 2024 10:00 p.m.", "", 79200),
        ("Fri, 01 Mar 2024 00:00:00 +0000", "", 0),
        ("[01/Mar/2024:00:00:10 +0000]", "", 10),
        ("Fri Mar  1 00:00:00 2024", "", 0),
        ("1. M\u00e4rz 2024", "", 0),
        ("01-ao\u00fbt-2024", "", 153 * 86400),
        ("1 de marzo de 2024", "", 0),
        ("March 2024", "", 0),
        ("mars 2024", "", 0),
        ("2024M03", "", 0),
        ("2024-Q2", "", 31 * 86400),
        ("March 20, 2024", "", 19 * 86400),
        ("March 20 24", "", 19 * 86400),
        ("00:10 01.03.2024", "", 600),
        ("12:10 PM, 03/01/2024", "mdy", 43800),
        ("1 de mar\u00e7o de 2024", "", 0),
        ("1 \u043c\u0430\u0440\u0442\u0430 2024 \u0433. 12:00", "", 43200),
        ("1 May\u0131s 2024", "", 61 * 86400),
        ("Fri Mar 01 2024 02:00:00 GMT+0200 (Eastern European Standard Time)", "", 0),
        # as Chinese, Japanese and Korean programs write them
        ("2024\u5e743\u67081\u65e5 1\u664205\u520607\u79d2", "", 3907),
        ("\u4ee4\u548c6\u5e743\u67081\u65e5", "", 0),
        ("2024/03/01(\u91d1) \u5348\u5f8c0\u664210\u5206", "", 43800),
        ("2024/03/01\uff08\u91d1\uff09 00:10", "", 600),
        ("2024\ub144 03\uc6d4 01\uc77c 01\uc2dc 05\ubd84", "", 3900),
        ("2024-03-01 \uc624\uc804 12:05:00", "", 300),
        ("2024. 3. 1. \uc624\ud6c4 1:00", "", 46800),
        ("2024/3/1 \u4e0a\u53481:00", "", 3600),
        ("2024-03-01 12:00 (EST)", "", 61200),
    ],
)
def test_a_time_in_words_and_digits_is_read(text, order, seconds):
    assert read_text(text, order).utc - MARCH == seconds


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("03/04/2024", ""),
        ("13/13/2024", "dmy"),
        ("2024-02-30", ""),
        ("5 kitchen", ""),
        ("2024-03-01 Export", ""),
        ("2024-03-01 25:00", ""),
        ("13:00 PM 2024", ""),
        ("01.03.2024 5", ""),
        ("2024-400", ""),
        ("1 Foo 2024", ""),
        ("Foo 2024", ""),
        ("2024Q5", ""),
        ("5 listopada 2024", ""),  # November in Poland, October in Croatia
        ("01.03.2024 10:00 XYZ", ""),
        ("01.03.2024 00:00 - what comes", ""),
        ("", ""),
        ("2024", ""),
    ],
)
def test_what_is_no_time_is_refused(text, order):
    with pytest.raises(ValueError):  # noqa: PT011 - nobody reads the message
        read_text(text, order)


def test_digits_alone_are_a_day_and_its_clock():
    assert [
        read_compact(text).utc - MARCH for text in ("20240301", "2024030101", "202403010001", "20240301000001")
    ] == [*(0, 3600, 60, 1)]
    assert read_compact("20240301000000500").utc - MARCH == 0.5
    assert read_compact("20240301 0000+01").ahead == 3600
    with pytest.raises(ValueError, match="20241301"):
        read_compact("20241301 x")


def test_a_wall_knows_its_zone():
    assert Wall(3_600_000_000, 3600).utc == 0
    assert read_text("2024-03-01 00:00").ahead is None
    assert read_text("2024-03-01 00:00 UTC").ahead == 0


@pytest.mark.parametrize("sign", [*"|;,/x.\t~", ""])
@pytest.mark.parametrize("rest", ["-20", "+0200", "Z", "12:00"])
def test_a_sign_that_separates_cells_is_in_no_time(sign, rest):
    for text in (f"2024-05-01T00:00:00{sign}{rest}", f"2024-05-01{sign}{rest}"):
        if sign or rest == "12:00" or "T" not in text:
            with pytest.raises(ValueError, match=r"."):
                iso_moment(text)
        else:
            assert iso_moment(text).tzinfo is not None


def slow_seconds(text, order):
    """What the careful reader makes of a text; None where it refuses it."""
    try:
        return read_text(text, order).micros / 1_000_000
    except ValueError:
        return None


@given(
    st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)),
    st.sampled_from(["%Y-%m-%dT%H:%M:%S", "%d.%m.%Y %H:%M", "%m/%d/%Y %H:%M:%S", "%d-%m-%Y %H:%M", "%Y/%m/%d %H:%M"]),
    st.sampled_from(["", "dmy", "mdy"]),
    st.integers(0, 18),
    st.sampled_from("0369:./- T\u0663x"),
)
def test_what_is_read_at_once_is_what_the_careful_reader_makes_of_it(moment, form, order, place, sign):
    text = moment.strftime(form)
    for given_text in (text, f"{text[:place]}{sign}{text[place + 1 :]}"):
        seconds = simple_seconds(given_text, order)
        assert seconds is None or seconds == slow_seconds(given_text, order)
    right = (text[4] in "-/") if order == "" else form.startswith("%d") if order == "dmy" else form.startswith("%m")
    assert simple_seconds(text, order) == slow_seconds(text, order) or not right

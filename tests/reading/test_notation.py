from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamforest.reading.notation import RefusedError, read_number, read_time


def test_a_number_is_read_as_float_reads_it_or_refused():
    assert read_number("1e-320") == 1e-320
    with pytest.raises(RefusedError, match="'1,5' is no number"):
        read_number("1,5")


def test_milliseconds_as_net_writes_them_in_json_are_a_time():
    assert read_time("/Date(1709251200500)/") == read_time("/Date(1709251200500+0100)/") == 1709251200.5
    with pytest.raises(RefusedError):
        read_time("/Date(soon)/")


@given(
    st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)),
    st.none() | st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
    st.sampled_from(" T"),
)
def test_any_iso_time_is_read_as_the_standard_library_reads_it(moment, zone, separator):
    text = moment.replace(tzinfo=zone).isoformat(separator)
    assert read_time(text) == (moment.replace(tzinfo=zone or UTC) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()

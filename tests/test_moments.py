from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from streamforest.moments import FARTHEST, iso_time

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@given(st.integers(-62_000_000_000_000, 253_000_000_000_000))
def test_a_time_is_written_as_the_calendar_says(milliseconds):
    moment = EPOCH + timedelta(milliseconds=milliseconds)
    text = moment.strftime("%m-%dT%H:%M:%S")
    assert iso_time(milliseconds / 1000) == f"{moment.year:04}-{text}.{milliseconds % 1000:03}Z"
    assert iso_time(milliseconds / 1000, has_fractions=False) == f"{moment.year:04}-{text}Z"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_time_can_be_written(seconds):
    assert iso_time(seconds).endswith("Z") is (abs(seconds) <= FARTHEST)
    assert iso_time(seconds, has_fractions=False)

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from streamforest.moments import FARTHEST, iso_time, short_time

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


def test_times_are_as_short_as_they_can_be():
    noon = 1714564800.0
    assert short_time(noon, noon + 60) == "12:00:00"
    assert short_time(noon, noon + 200_000) == "05-01 12:00"
    assert short_time(noon, float("inf")) == short_time(noon, float("nan")) == "05-01 12:00"
    assert short_time(noon, noon + 3e7) == "2024-05-01 12:00"
    assert short_time(1e200, noon) == "1e+200"

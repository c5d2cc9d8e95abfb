import pytest

from streamforest.reading.column_layout import Asked
from streamforest.reading.series import SeriesReadings, SeveralSeriesError, series_name
from streamforest.stream_names import LONGEST_KEY


def test_tags_stand_in_order_and_quotes_are_escaped():
    assert series_name("m", {"b": 'x"y\\', "a": "1"}) == 'm{a="1",b="x\\"y\\\\"}'


def test_a_long_name_fits_a_key_and_stays_different_from_others():
    names = {series_name("m", {"a": "x" * 300 + end}) for end in "12"}
    assert len(names) == 2
    assert all(len(name) <= LONGEST_KEY for name in names)


def test_without_a_key_column_all_readings_are_of_one_series():
    found = SeriesReadings(Asked())
    assert found.key_of("load", {"host": "a"}) == found.key_of("load", {"host": "a"})
    with pytest.raises(SeveralSeriesError, match="--key-column key"):
        found.key_of("load", {"host": "b"})


def test_of_one_measure_a_tag_tells_the_streams_apart():
    found = SeriesReadings(Asked(column="idle", key_column="host"))
    assert found.key_of("cpu_idle", {"host": "a", "cpu": "0"}, "idle") == "a"
    assert found.key_of("cpu_user", {"host": "a"}, "user") is None
    assert SeriesReadings(Asked(key_column="host")).key_of("cpu_idle", {"host": "a"}) == 'cpu_idle{host="a"}'

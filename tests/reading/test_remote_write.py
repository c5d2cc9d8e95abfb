import struct

import pytest

from streamforest.protocols import Reading
from streamforest.reading import bodies
from streamforest.reading.bodies import MOST_BYTES, BodyError
from streamforest.reading.column_layout import Asked
from streamforest.reading.remote_write import _request, read_remote_write

cramjam = pytest.importorskip("cramjam")
KEYED = Asked(key_column="key")


def packed(series):
    """A request as Prometheus sends it, of labels and samples (value, milliseconds)."""
    request = _request()()
    for labels, samples in series:
        one = request.timeseries.add()
        for name, value in labels.items():
            one.labels.add(name=name.encode(), value=value.encode())
        for value, timestamp in samples:
            one.samples.add(value=value, timestamp=timestamp)
    return bytes(cramjam.snappy.compress_raw(request.SerializeToString()))


def test_each_sample_is_a_reading_of_its_series():
    body = packed([({"__name__": "up", "job": "x"}, [(1.0, 5000), (0.0, 6500)]), ({"__name__": "load"}, [(2.5, 1)])])
    assert read_remote_write(body, KEYED) == [
        Reading(1.0, 5.0, key='up{job="x"}'),
        Reading(0.0, 6.5, key='up{job="x"}'),
        Reading(2.5, 0.001, key="load"),
    ]


def test_the_mark_of_a_series_that_has_ended_is_no_reading_and_another_nan_is_a_missing_one():
    stale = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
    found = read_remote_write(packed([({"__name__": "up"}, [(stale, 1), (float("nan"), 2)])]), KEYED)
    assert len(found) == 1
    assert found[0].value != found[0].value


def test_what_is_no_such_request_says_so():
    bomb = bytearray()
    length = MOST_BYTES + 1
    while length:
        bomb.append((length & 127) | (128 if length > 127 else 0))
        length >>= 7
    for body in (b"", b"hello", bytes(bomb) + b"x", bytes(cramjam.snappy.compress_raw(b"\xff" * 50))):
        with pytest.raises(BodyError):
            read_remote_write(body, KEYED)
    two = packed([({"__name__": "a"}, [(1.0, 1)]), ({"__name__": "b"}, [(1.0, 1)])])
    with pytest.raises(BodyError, match="--key-column key"):
        read_remote_write(two, Asked())


def test_a_request_has_no_more_samples_than_may_be(monkeypatch):
    monkeypatch.setattr(bodies, "MOST_READINGS", 10)
    body = packed([({"__name__": "up"}, [(1.0, at) for at in range(11)])])
    with pytest.raises(BodyError, match="more than 10 readings"):
        read_remote_write(body, KEYED)

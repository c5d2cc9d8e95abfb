import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamforest.protocols import Reading, Refusal, SourceError
from streamforest.reading.column_layout import Asked
from streamforest.reading.payloads import PayloadReader


def readings(*payloads, **asked):
    reader = PayloadReader("broker", Asked(**asked))
    return [item for at, payload in enumerate(payloads) for item in reader.read(payload, f"message {at}", 100.0 + at)]


def test_a_number_gets_the_time_it_is_given():
    assert readings(b"1.5", b" 2 \n") == [Reading("1.5", 100.0), Reading("2", 101.0)]


def test_columns_of_an_object_are_found_and_asked_for_as_in_a_file():
    payload = b'{"device": "a",\n "celsius": 21.5, "humidity": 40, "ts": 1700000000}'
    assert readings(payload, column="celsius") == [Reading(21.5, 1700000000)]
    assert readings(payload, column="humidity", time_column="") == [Reading(40, 100.0)]
    with pytest.raises(
        SourceError, match=r"broker: more than one column .* --column NAME of: device, celsius, humidity"
    ):
        readings(payload)


def test_a_row_is_cut_as_in_a_file():
    assert readings(b"2024-05-01T00:00:00Z,7") == [Reading("7", "2024-05-01T00:00:00Z")]


def test_where_messages_hold_times_one_without_is_not_given_another_clock():
    first, second = readings(b'{"value": 1, "time": 5}', b'{"value": 2}')
    assert (first.time, second.time) == (5, None)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "an empty message"),
        (b" \n", "an empty message"),
        (b"1" * 70_000, "a message of more than 65536 bytes"),
        (b"\xff\xfe", "bytes that are no UTF-8"),
        (b'{"other": 1}', "the object has no 'value': '{\"other\": 1}'"),
    ],
)
def test_a_message_without_a_reading_is_refused_by_its_place(payload, reason):
    assert readings(b'{"value": 1}', payload, b'{"value": 3}')[1:] == [
        Refusal("message 1", reason),
        Reading(3, 102.0),
    ]


@given(st.lists(st.one_of(st.binary(max_size=50), st.floats(allow_nan=False).map(lambda x: json.dumps(x).encode()))))
def test_whatever_comes_is_a_reading_or_a_refusal_of_the_message(payloads):
    try:
        items = readings(b"1", *payloads)
    except SourceError:
        return
    assert all(isinstance(item, Reading) or item.where.startswith("message ") for item in items)

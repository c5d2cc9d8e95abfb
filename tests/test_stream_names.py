import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamforest.stream_names import StreamNames, shown_key

KEYS = st.sampled_from("abcdefgh")


@settings(deadline=None)
@given(st.lists(st.one_of(st.lists(KEYS, min_size=1), st.sets(KEYS).map(frozenset)), max_size=20), st.integers(1, 8))
def test_numbers_stand_for_the_keys_that_are_there_and_no_two_share_one(steps, most):
    names, known = StreamNames(most), {}
    for step in steps:
        if isinstance(step, frozenset):
            gone = step & set(known)
            names.drop([known.pop(key) for key in gone])
        else:
            found = names.numbers_of(step)
            if len(set(known) | set(step)) > most:
                assert found is None
            else:
                assert [known.setdefault(key, number) for key, number in zip(step, found, strict=True)] == found
        assert len(names) == len(known) == len(set(known.values())) <= most
        assert {key: names.key_of(number) for key, number in known.items()} == {key: key for key in known}


def test_a_number_that_is_used_again_knows_no_time():
    names = StreamNames()
    (number,) = names.numbers_of(["a"])
    names.last_times[number] = 5.0
    names.drop([number])
    assert names.key_of(number) is None
    assert names.numbers_of(["b"]) == [number]
    assert names.last_times[number] == -math.inf
    assert names.dropped == 1


def test_a_number_that_was_never_given_has_no_key():
    assert StreamNames().key_of(7) is None
    assert StreamNames().shown(7) == ""


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("pump 1", "pump 1"),
        ("Gerät µ", "Gerät µ"),
        ("\x1b[31mred\n", r"\x1b[31mred\n"),
        ("a\u202eb", r"a\u202eb"),
        ("\ud800", r"\ud800"),
    ],
)
def test_what_does_not_print_is_escaped(key, shown):
    assert shown_key(key) == shown
    assert shown_key(key).isprintable()

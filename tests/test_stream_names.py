import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamforest.clocks import Clocks
from streamforest.state import packed
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
    names.clocks.last[number] = 5.0
    names.drop([number])
    assert names.key_of(number) is None
    assert names.numbers_of(["b"]) == [number]
    assert names.clocks.last[number] == -math.inf
    assert names.dropped == 1


STEPS = st.lists(st.one_of(st.lists(KEYS, min_size=1), st.sets(KEYS).map(frozenset)), max_size=12)


def take(names, steps):
    """Numbers of keys, or drop those that are there; what was given, in order."""
    found = []
    for n, step in enumerate(steps):
        if isinstance(step, frozenset):
            there = {names.key_of(number) for number in range(1000)}
            names.drop(names.numbers_of([key])[0] for key in step if key in there)
        else:
            numbers = names.numbers_of(step)
            found.append(numbers)
            names.clocks.last[numbers or []] = float(n)
    return found


@settings(deadline=None)
@given(STEPS, STEPS, st.integers(1, 8))
def test_names_that_go_on_from_a_state_give_the_same_numbers(before, after, most):
    first, second = StreamNames(most), StreamNames(most)
    second.numbers_of(["other"])
    take(first, before)
    state = first.state()
    second.restore(state)
    expected = take(first, after)
    assert take(second, after) == expected
    least = min(len(first.clocks), len(second.clocks))  # numbers that no stream had yet are not kept
    assert second.clocks.records[:least].tobytes() == first.clocks.records[:least].tobytes()
    assert [second.key_of(n) for n in range(300)] == [first.key_of(n) for n in range(300)]
    assert (len(second), second.dropped) == (len(first), first.dropped)
    assert list(second.state()) == list(state)


def test_the_order_of_dropping_makes_no_difference():
    given_numbers = []
    for order in ([0, 2, 1], [2, 1, 0]):
        names = StreamNames()
        names.numbers_of(["a", "b", "c"])
        names.drop(order)
        given_numbers.append(names.numbers_of(["d", "e", "f"]))
    assert given_numbers[0] == given_numbers[1]


@pytest.mark.parametrize(
    "facts",
    [
        None,
        [0, None, []],
        [0, ["a"], [0]],
        [0, ["a", "a"], []],
        [0, ["a"], ["b"]],
        [1],
        [-1, ["a"], []],
        [0, ["a" * 201], []],
    ],
)
def test_what_is_no_state_is_refused_and_changes_nothing(facts):
    names = StreamNames()
    names.numbers_of(["a"])
    with pytest.raises(ValueError, match="saved"):
        names.restore({"facts": packed(facts), "clocks": Clocks(1).records})
    with pytest.raises(ValueError, match="saved"):
        names.restore({"facts": packed([0, ["b"], []]), "clocks": Clocks(2).records})
    assert names.key_of(0) == "a"


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

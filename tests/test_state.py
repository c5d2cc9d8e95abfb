import math
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamforest.state import (
    attributes_of,
    check_ranges,
    copied,
    fits,
    joined,
    packed,
    part_of,
    saved_array,
    set_attributes,
    unpacked,
)

facts = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.sampled_from(["", "a\u2026", "\x1b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=5,
)


class Owner:
    def __init__(self, count, text):
        self.count, self._text = count, text


@settings(deadline=None)
@given(facts)
def test_what_is_packed_comes_back(found):
    assert unpacked({"facts": packed(found)}, "facts") == found


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, -0.0, 5e-324, 0.1 + 0.2, 2**200])
def test_every_number_comes_back_with_the_same_bits(number):
    assert repr(unpacked({"facts": packed(number)}, "facts")) == repr(number)


@pytest.mark.parametrize("saved", [None, np.zeros(3), np.zeros((1, 3), np.uint8), np.frombuffer(b"[1", np.uint8)])
def test_what_was_not_packed_is_an_error(saved):
    state = {} if saved is None else {"facts": saved}
    with pytest.raises(ValueError, match="the saved state"):
        unpacked(state, "facts")


def test_a_copy_of_records_has_the_same_bytes_and_is_apart():
    records = np.zeros(5, [("a", "<f8", (3,)), ("b", [("c", "<i4")])])
    records["a"][:, 1], records["b"]["c"] = np.nan, range(5)
    kept = copied(records[1:4])
    assert (kept.dtype, kept.tobytes()) == (records.dtype, records[1:4].tobytes())
    records["b"]["c"] = 7
    assert kept["b"]["c"].tolist() == [1, 2, 3]
    assert len(copied(records[:0])) == 0


def test_attributes_come_back_by_name_and_no_others_do():
    saved = {"facts": attributes_of(Owner(3, "a"), ("count", "_text"))}
    other = Owner(0, "")
    set_attributes(other, ("count", "_text"), saved, "facts")
    assert vars(other) == {"count": 3, "_text": "a"}
    with pytest.raises(ValueError, match="not of this version"):
        set_attributes(other, ("count", "_text", "more"), saved, "facts")
    assert vars(other) == {"count": 3, "_text": "a"}


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from("abc"), st.dictionaries(st.sampled_from(["x", "a.x"]), st.integers(0, 9))))
def test_joined_states_come_apart_again(parts):
    whole = joined({name: {key: np.array([n]) for key, n in part.items()} for name, part in parts.items()})
    for name, part in parts.items():
        assert {key: int(array[0]) for key, array in part_of(whole, name).items()} == part
    assert part_of(whole, "d") == {}


@pytest.mark.parametrize("saved", [None, np.zeros(2, np.int64), np.zeros(3), np.zeros((2, 1))])
def test_a_saved_array_must_have_the_type_and_shape_of_the_one_it_replaces(saved):
    like = np.zeros(2)
    right = np.ones(2)
    assert saved_array({"a": right}, "a", like) is right
    with pytest.raises(ValueError, match="no a of shape"):
        saved_array({} if saved is None else {"a": saved}, "a", like)


class Pair(NamedTuple):
    at: int
    text: str | None = None


@pytest.mark.parametrize(
    ("facts", "kind", "is_right"),
    [
        *((1, int, True), (True, int, False), (2**63, int, False), (-(2**63) + 1, int, True), (1.0, int, False)),
        *((1, float, True), (math.nan, float, True), ("1", float, False), (None, float, False)),
        *((None, int | None, True), ("a", int | None, False), (True, bool, True), (1, bool, False)),
        *(([], list[int], True), ([1, "a"], list[int], False), ({}, list[int], False), ("ab", list[str], False)),
        *(([1, "a"], tuple[int, str], True), ([1], tuple[int, str], False), (["a", "b"], tuple[str, ...], True)),
        *(({"a": 1}, dict[str, int], True), ({"a": None}, dict[str, int], False), ([1], dict[str, int], False)),
        *(([1, None], Pair, True), ([1], Pair, False), ([[1, "a"]], list[Pair], True), ([None, "a"], Pair, False)),
    ],
)
def test_facts_are_held_against_the_kind_that_they_should_be_of(facts, kind, is_right):
    assert fits(facts, kind) == is_right
    state = {"facts": packed(facts)}
    if is_right:
        unpacked(state, "facts", kind)
    else:
        with pytest.raises(ValueError, match="the saved state's facts is not of this version"):
            unpacked(state, "facts", kind)


@pytest.mark.parametrize(
    ("own", "saved", "is_taken"),
    [
        *((1, 2, True), (1, "a", False), (1, [], False), (1, None, False), (None, 3, True), (None, "a", False)),
        *((True, 1, False), (0.5, 2, True), ([], [1], True), ([], {}, False), ("a", "b", True)),
    ],
)
def test_an_attribute_takes_the_place_of_one_of_its_kind_only(own, saved, is_taken):
    state = {"facts": packed({"count": saved, "_text": "x"})}
    owner = Owner(own, "b")
    if is_taken:
        set_attributes(owner, ("count", "_text"), state, "facts")
        assert owner.count == saved
    else:
        with pytest.raises(ValueError, match="facts"):
            set_attributes(owner, ("count", "_text"), state, "facts")


def test_a_range_is_held_against_each_element_and_record():
    kind = np.dtype([("outer", [("at", "i8", (2,)), ("n", "u1")]), ("x", "f8")])
    array = np.zeros(3, kind)
    check_ranges(array, {"at": (0, (1, 5))})
    array["outer"]["at"][2] = 1, 5
    check_ranges(array, {"at": (0, (1, 5))})
    array["outer"]["at"][1] = 2, 0
    with pytest.raises(ValueError, match=r"outer\.at is outside"):
        check_ranges(array, {"at": (0, (1, 5))})
    with pytest.raises(ValueError, match=r"outer\.at is outside"):
        check_ranges(np.full(1, -1, "i8").view([("at", "i8")]), {}, "outer.")

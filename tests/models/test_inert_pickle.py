import io
import os
import pickle
import random
import sys
import time
import tracemalloc
from contextlib import suppress

import joblib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import IsolationForest

from streamforest.models.inert_pickle import MOST_OPCODES, Description, PickleError, read, shown

CLASS = ("tests.nowhere", "Anything")
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**1000), 2**1000)
    | st.floats()
    | st.text(max_size=300)
    | st.binary(max_size=255)
    | st.sampled_from([np.float32(1.5), np.int64(-3), np.uint8(7), np.bool_(True)]),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.lists(inner, max_size=5).map(tuple)
        | st.dictionaries(st.text(max_size=9), inner, max_size=5)
    ),
    max_leaves=30,
)
NODES = np.zeros(3, dtype=np.dtype({"names": ["a", "b"], "formats": ["<i8", "u1"], "offsets": [0, 9], "itemsize": 16}))
ARRAYS = [
    np.arange(6.0).reshape(2, 3),
    np.asfortranarray(np.arange(6, dtype=">i4").reshape(2, 3)),
    np.zeros((0, 3), np.float32),
    np.array(5),
    np.array([True, False]),
    NODES,
]


def dumped(value):
    file = io.BytesIO()
    joblib.dump(value, file)
    return file.getvalue()


def same(one, other):
    """Equal, NaN too, and numpy's numbers as plain ones."""
    return pickle.dumps(one) == pickle.dumps(other) or repr(one) == repr(other)


@settings(max_examples=50, deadline=None)
@given(VALUES)
def test_plain_values_come_as_they_are(value):
    def plain(x):
        if isinstance(x, list | tuple):
            return type(x)(map(plain, x))
        if isinstance(x, dict):
            return {key: plain(inner) for key, inner in x.items()}
        return x.item() if isinstance(x, np.generic) else x

    assert same(read(dumped(value), ()), plain(value))


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}-{array.shape}")
def test_arrays_come_as_they_are_and_cannot_be_changed(array):
    found = read(dumped([array, "behind"]), ())
    assert found[1] == "behind"
    assert (found[0].dtype, found[0].shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(found[0], array)
    assert not found[0].flags.writeable


def test_what_is_written_once_and_used_twice_comes_twice():
    inner = ["x"]
    assert read(dumped([inner, inner]), ()) == [["x"], ["x"]]


def test_an_object_is_described_and_its_class_not_even_imported():
    forest = IsolationForest(n_estimators=3, random_state=1).fit(np.arange(20.0)[:, None])
    names = {
        ("sklearn.ensemble._iforest", "IsolationForest"),
        ("sklearn.tree._classes", "ExtraTreeRegressor"),
        ("sklearn.tree._tree", "Tree"),
    }
    described = read(dumped(forest), names)
    assert type(described) is Description
    assert (described.name, described.arguments) == (("sklearn.ensemble._iforest", "IsolationForest"), ())
    tree = described.state["estimators_"][1].state["tree_"]
    np.testing.assert_array_equal(tree.state["nodes"], forest.estimators_[1].tree_.__getstate__()["nodes"])
    content = b"\x80\x04\x8c\x0dtests.nowhere\x8c\x08Anything\x93)\x81}b."
    assert read(content, {CLASS}).state == {}
    assert "tests.nowhere" not in sys.modules
    with pytest.raises(PickleError, match=r"it holds tests\.nowhere\.Anything, which is no part of a model"):
        read(content, ())


class Caller:
    """Calls a function with arguments when it is unpickled."""

    def __init__(self, function, *arguments):
        self.reduced = function, arguments

    def __reduce__(self):
        return self.reduced


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("function", [os.mkdir, eval, __import__, getattr, np.zeros, pickle.loads])
def test_nothing_is_called(function, protocol, tmp_path):
    content = pickle.dumps([Caller(function, str(tmp_path / "mark"))], protocol)
    with pytest.raises(PickleError):
        read(content, {CLASS})
    assert not (tmp_path / "mark").exists()


NESTED = b"]" * 150_000
BOMBS = {
    "an array larger than the file": dumped(np.zeros(9)).replace(b"K\x09", b"K\xf9"),
    "a text longer than the file": b"\x80\x04X\xff\xff\xff\x7fabc.",
    "a long text": b"\x80\x04X\x00\x00\x01\x00" + b"a" * 65536 + b".",
    "objects in an array": dumped(np.array([{}], dtype=object)),
    "times in an array": dumped(np.zeros(3, "M8[s]")),
    "texts in an array": dumped(np.zeros(3, "U1000")),
    "a field far behind its structure": dumped(NODES).replace(b"K\x09\x86", b"J\xff\xff\xff\x7f\x86"),
    "a field just behind its structure": dumped(NODES).replace(b"K\x09\x86", b"K\x10\x86"),
    "many kinds of structures": dumped([np.zeros(1, [("a", "f8"), (f"b{i}", "f8")]) for i in range(101)]),
    "a structure in a structure": dumped(np.zeros(3, [("a", [("b", "f8")])])),
    "a key that is no text": dumped({1: 2}),
    "a mark that was taken from under it": b"\x80\x04)(00t.",
    "too few for a tuple": b"\x80\x04)\x87.",
    "a place that was never filled": b"\x80\x04h\x05.",
    "nothing": b"",
    "no end": b"\x80\x04]",
    "compressed": b"\x78\x9c" + b"\0" * 100,
    "an older protocol": pickle.dumps([1.5], 2),
    "filling twice": b"\x80\x04\x8c\x0dtests.nowhere\x8c\x08Anything\x93)\x81}b}b.",
    "filling a dictionary": b"\x80\x04}}b.",
    "calling a text": b"\x80\x04\x8c\x01a)R.",
    "appending to a dictionary": b"\x80\x04}(K\x01e.",
    "many steps": b"\x80\x04" + b"N" * (MOST_OPCODES + 1) + b".",
}


@pytest.mark.parametrize("name", BOMBS)
def test_what_no_model_needs_is_refused_in_one_line(name):
    with pytest.raises(PickleError) as caught:
        read(BOMBS[name], {CLASS})
    assert str(caught.value).startswith("it ")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "step",
    [b"}", b"]", b"(", b"K\x01\x85", b"h\x00h\x01\x81", b"h\x00h\x01R\x94"],
    ids=["dictionaries", "lists", "marks", "nested tuples", "objects", "remembered objects"],
)
def test_the_worst_file_takes_bounded_memory_and_time(step):
    first = {
        b"h": b"\x8c\x0dtests.nowhere\x8c\x08Anything\x93\x940)\x940",
    }.get(step[:1], b"")
    content = b"\x80\x04" + first + step * (MOST_OPCODES // 4) + b"."
    tracemalloc.start()
    started = time.process_time()
    with suppress(PickleError):
        read(content, {CLASS})
    assert time.process_time() - started < 15.0
    assert tracemalloc.get_traced_memory()[1] < 60e6
    tracemalloc.stop()


def test_deep_nesting_costs_nothing():
    assert len(read(b"\x80\x04" + NESTED + b"a" * (len(NESTED) // 4) + b".", ())) == 1


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_file_is_refused_or_read(seed):
    rng = random.Random(seed)
    content = bytearray(dumped({"a": [1, 2.5, "x", None], "b": np.arange(4.0), "c": NODES, "d": (True, b"y")}))
    for _ in range(rng.randint(1, 4)):
        content[rng.randrange(len(content))] = rng.randrange(256)
    with suppress(PickleError):
        read(bytes(content[: rng.choice([len(content), rng.randrange(len(content))])]), {CLASS})


def test_text_out_of_a_file_is_shown_without_control_characters():
    assert shown("os\x1b[2J\nsystem") == r"os\x1b[2J\nsystem"
    assert len(shown("x" * 1000)) == 120

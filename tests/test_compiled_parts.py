import gc
from contextlib import suppress

import numba
import pytest
from llvmlite.binding import ffi
from numba.core import codegen
from numba.core.compiler import Flags
from numba.core.compiler_machinery import PassManager

from streamforest import compiled as compiling
from streamforest.compiled import compile_part, compiled
from streamforest.compiled_parts import can_link_parts, compiling_many, part_options


@pytest.fixture
def ask_anew(monkeypatch):
    """What this numba can do is looked for again, in this test and after it; nothing is kept on disk."""
    monkeypatch.setattr(compiling, "cache_folder", lambda: None)
    for function in (part_options, can_link_parts):
        function.cache_clear()
    yield
    for function in (part_options, can_link_parts):
        function.cache_clear()


def third_of(x):
    return x / 3.0


def functions():
    """A compiled function that calls another one, with a constant, which calls a third; and both as they are called."""
    third = compiled(third_of)

    @compiled
    def scaled(x, times):
        return third(x) * times

    @compiled
    def summed(x):
        return scaled(x, 3) + scaled(x, 7)

    return summed, scaled


def expected(x):
    return (x / 3.0) * 3 + (x / 3.0) * 7


def without_the_name(monkeypatch):
    monkeypatch.delattr(codegen, "JITCodeLibrary")


def with_another_meaning(monkeypatch):
    monkeypatch.setattr(PassManager, "add_pass_after", lambda _self, _added: None)


def in_a_newer_version(monkeypatch):
    monkeypatch.setattr(numba, "version_info", numba.version_info._replace(short=(9, 0)))


@pytest.mark.usefixtures("ask_anew")
def test_this_numba_links_parts():
    summed, scaled = functions()
    assert can_link_parts()
    assert summed(0.1) == expected(0.1)
    assert scaled.part.signatures
    assert not scaled.signatures


@pytest.mark.usefixtures("ask_anew")
@pytest.mark.parametrize("change", [without_the_name, with_another_meaning, in_a_newer_version])
def test_a_numba_that_cannot_compiles_its_own_way_with_the_same_bits(monkeypatch, change):
    change(monkeypatch)
    summed, scaled = functions()
    compile_part(scaled, 0.1, 3)
    assert not can_link_parts()
    assert [summed(x) for x in (0.1, 1e300, -7.7)] == [expected(x) for x in (0.1, 1e300, -7.7)]
    assert scaled.signatures
    assert not getattr(scaled, "part", summed.py_func).__dict__.get("overloads")


def test_while_many_are_compiled_no_garbage_is_looked_for_and_all_is_as_before_at_the_end():
    def facts():
        return gc.isenabled(), list(ffi.lib._lock._cblist), numba.types.Record.__repr__, Flags.__eq__

    before = facts()
    with suppress(KeyboardInterrupt), compiling_many():
        assert not gc.isenabled()
        assert functions()[0](1.5) == expected(1.5)
        raise KeyboardInterrupt
    assert facts() == before


def test_while_many_are_compiled_options_are_equal_as_ever():
    def options(**those_set):
        made = Flags()
        for name, value in those_set.items():
            setattr(made, name, value)
        return made

    every = [options(), options(nrt=True), options(nrt=True), options(nrt=False), options(release_gil=True), "options"]
    before = [[one == other for other in every] for one in every]
    with compiling_many():
        assert [[one == other for other in every] for one in every] == before
    assert before[0][3], "one that is set to what it is anyway is equal to one that is not"


def test_callbacks_of_llvm_that_are_kept_in_another_way_are_left_alone(monkeypatch):
    monkeypatch.setattr(ffi.lib._lock, "_cblist", ())
    with compiling_many():
        assert ffi.lib._lock._cblist == ()

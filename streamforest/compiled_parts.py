"""Compiled functions that are part of others, as numba does not make them by itself; and quicker compiling of many."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

import numba

#: The newest numba that was seen to link parts as meant: what they are made of has no names that it promises.
NEWEST = (0, 68)
#: How names of the environments begin that numba gives compiled functions.
ENVIRONMENT = "_ZN08NumbaEnv"


@cache
def part_options() -> dict[str, Any] | None:
    """What to tell numba of a function that is part of others; None where this numba may have no such functions."""
    try:
        if numba.version_info.short > NEWEST:
            return None
        return {"no_cfunc_wrapper": True, "no_cpython_wrapper": True, "pipeline_class": _part_compiler()}
    except (ImportError, AttributeError):  # a name that it has no more
        return None


@cache
def can_link_parts() -> bool:
    """Whether this numba compiles a function with parts of parts: it is tried, at the first that is compiled."""
    options = part_options()
    if options is None:
        return False
    njit: Any = numba.njit
    try:
        inner = njit(**options)(lambda x: x + 0.5)
        outer = njit(**options)(lambda x: 3.0 * inner(x))
        whole = njit(no_cfunc_wrapper=True)(lambda x: outer(x) - inner(x))
        return bool(whole(1.0) == 3.0)
    except Exception:  # whatever numba raises at names that mean something else now
        return False


def _part_compiler() -> type:
    """The usual steps of numba, with a library of its own for each function; raises where a name is not there."""
    from llvmlite.binding import parse_assembly  # noqa: PLC0415 - these may be missing
    from numba.core.codegen import JITCodeLibrary  # noqa: PLC0415
    from numba.core.compiler import CompilerBase, DefaultPassBuilder  # noqa: PLC0415
    from numba.core.compiler_machinery import AnalysisPass, register_pass  # noqa: PLC0415
    from numba.core.typed_passes import AnnotateTypes  # noqa: PLC0415

    class PartLibrary(JITCodeLibrary):
        """The code of a function that is part of others: linked with what it calls, and not yet optimised."""

        def finalize(self) -> None:
            """Keep the code for those that link it; what the engine gets is the function's environment alone."""
            environments = [str(v) for v in self._final_module.global_variables if v.name.startswith(ENVIRONMENT)]
            for library in dict.fromkeys(self._linking_libraries):
                self._final_module.link_in(library._get_module_for_linking(), preserve=True)
            self._finalize_dynamic_globals()
            self._finalized = True
            self._get_module_for_linking()  # keeps it
            empty = str(self._codegen._create_empty_module(self.name))
            self._final_module = parse_assembly("\n".join([empty, *environments]))
            self._finalize_final_module()

    @register_pass(mutates_CFG=False, analysis_only=True)
    class BecomePart(AnalysisPass):
        """Gives the function that is being compiled a library of its kind."""

        _name = "become_part"

        def __init__(self) -> None:
            """Take nothing."""

        def run_pass(self, state: Any) -> bool:
            """Set the library; returns that nothing else was changed."""
            state.library = PartLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
            state.library.enable_object_caching()
            return False

    class PartCompiler(CompilerBase):
        """The usual steps of numba, with a library for parts."""

        def define_pipelines(self) -> list[Any]:
            """The steps."""
            steps = DefaultPassBuilder.define_nopython_pipeline(self.state)
            steps.add_pass_after(BecomePart, AnnotateTypes)
            steps.finalize()
            return [steps]

    return PartCompiler


@contextmanager
def compiling_many() -> Iterator[None]:
    """Within it the compiler spends a quarter less of the processor's time on the same code.

    Garbage is not looked for, as most of what the compiler makes lives on. numba is kept from two things that are for
    its own messages and measurements: the text of each record's type at each step of each function, which here is
    the short one, and an event at each call of LLVM. Equal options of two functions are found to be equal sooner.
    """
    collects, callbacks = gc.isenabled(), _callbacks_of_llvm()
    kept = [*callbacks]
    record: Any = numba.types.Record
    long_text = record.__repr__
    gc.disable()
    callbacks.clear()
    record.__repr__ = record.__str__
    try:
        with _comparing_quickly():
            yield
    finally:
        record.__repr__ = long_text
        callbacks.extend(kept)
        if collects:
            gc.enable()


@contextmanager
def _comparing_quickly() -> Iterator[None]:
    """Have options compared by those that were set, and by all of them only if these differ.

    numba does that tens of thousands of times, as all options have one hash. A numba that keeps them elsewhere is left
    alone.
    """
    try:
        from numba.core.targetconfig import TargetConfig  # noqa: PLC0415 - as above
    except ImportError:
        yield
        return
    options: Any = TargetConfig
    compare_all = options.__eq__

    def compare(one: Any, other: Any) -> Any:
        return (type(one) is type(other) and one._values == other._values) or compare_all(one, other)

    if hasattr(options, "_values"):
        options.__eq__ = compare
    try:
        yield
    finally:
        options.__eq__ = compare_all


def _callbacks_of_llvm() -> list[Any]:
    """What numba has called before and after each call of LLVM; of a numba that keeps it elsewhere, nothing."""
    with suppress(ImportError, AttributeError):
        from llvmlite.binding import ffi  # noqa: PLC0415 - as above

        found = ffi.lib._lock._cblist
        if isinstance(found, list):
            return found
    return []

"""How functions are compiled: one decorator, so that all of them follow the same rules."""

from __future__ import annotations

import hashlib
import importlib
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from functools import cache
from pathlib import Path
from typing import Any, ParamSpec, TypeAlias, TypeVar, cast

import numba
from llvmlite.binding import parse_assembly
from numba import types
from numba.core import cgutils, event
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import AnalysisPass, register_pass
from numba.core.typed_passes import AnnotateTypes
from numba.extending import intrinsic
from numba.np import linalg
from numpy.typing import NDArray

P = ParamSpec("P")
R = TypeVar("R")

#: One element of a structured array and such an array, as compiled code sees them: fields are attributes,
#: which numpy's own types do not know.
Record: TypeAlias = Any
Records: TypeAlias = Any

#: A file that holds compiled functions, and a line that imports from the package; what is imported inside a function or
#: for types only is indented, and no constant of it is compiled.
#: How names of the environments begin that numba gives compiled functions.
ENVIRONMENT = "_ZN08NumbaEnv"

HOLDS_COMPILED = re.compile(rb"^@compiled$", re.MULTILINE)
IMPORT = re.compile(rb"^(?:from ([\w.]+) import (\([^)]*\)|.*)|import ([\w.]+))", re.MULTILINE)


def _import_without_blas() -> None:
    """Import what numba needs for its first call, without the BLAS of scipy, which it only looks for there.

    That takes a quarter of a second, and nothing here uses it. numba asks again where a function that does is compiled.
    """
    ask: Any = getattr(linalg, "ensure_blas", None)
    linalg.ensure_blas = lambda: None
    try:
        importlib.import_module("numba.np.arraymath")
    finally:
        linalg.ensure_blas = ask


_import_without_blas()


def compiled_sources(package: Path) -> list[Path]:
    """The files of a package that its compiled code is made of: those that hold it, and all that these import.

    What is imported counts, as a compiled function holds the constants that it saw.
    """
    contents = {path: path.read_bytes() for path in package.rglob("*.py")}
    waiting = [path for path, content in contents.items() if HOLDS_COMPILED.search(content)]
    found = set(waiting)
    while waiting:
        for path in _imported(contents[waiting.pop()], package):
            if path in contents and path not in found:
                found.add(path)
                waiting.append(path)
    return sorted(found)


def _imported(content: bytes, package: Path) -> Iterator[Path]:
    """Files that the imports of a source may lead to; some of them are not there."""
    for module, names, alone in IMPORT.findall(content):
        first, *inner = (module or alone).decode().split(".")
        if first == package.name:
            place = package.joinpath(*inner)
            yield from (place.with_suffix(".py"), place / "__init__.py")
            yield from (place / f"{name}.py" for name in re.findall(r"\w+", names.decode()))


@cache
def cache_folder() -> Path | None:
    """Where compiled functions are kept between runs, named by the sources that they are made of; None if nowhere.

    The compiler looks only at a function's own file, and a caller holds its callees' code: without the
    source of all of them in the name, an updated program would go on running parts of the old one.
    """
    package = Path(__file__).parent
    digest = hashlib.sha256()
    for path in compiled_sources(package):
        digest.update(path.read_bytes())
    for kept in (package / "__pycache__", *_user_cache()):
        folder = kept / f"compiled-{digest.hexdigest()[:16]}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            for old in kept.glob("compiled-*"):
                if old != folder:
                    shutil.rmtree(old, ignore_errors=True)
            return folder
    return None


def _user_cache() -> Iterator[Path]:
    """The user's own place for what can be made anew, if there is one."""
    with suppress(RuntimeError):  # a user without a home
        yield Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "streamforest"


class _CompilingListener(event.Listener):
    """Has a line said when the first function is compiled; of those that are found on disk it hears nothing."""

    def __init__(self, notify: Callable[[str], None]) -> None:
        self._notify = notify
        self._is_reported = False

    def on_start(self, _event: object) -> None:
        if not self._is_reported:
            self._is_reported = True
            kept = "once" if cache_folder() else "and nowhere to keep it for the next run"
            self._notify(f"compiling, {kept}: this takes up to half a minute")

    def on_end(self, _event: object) -> None:
        """Nothing is to be said."""


class _Compilations(event.Listener):
    """Counts the functions that are being compiled, one within the other."""

    def __init__(self) -> None:
        self.depth = 0

    def on_start(self, _event: object) -> None:
        self.depth += 1

    def on_end(self, _event: object) -> None:
        self.depth -= 1


_COMPILATIONS = _Compilations()
event.register("numba:compile", _COMPILATIONS)


def is_compiling() -> bool:
    """Whether a function is being compiled now."""
    return _COMPILATIONS.depth > 0


def telling_of_compiling(notify: Callable[[str], None]) -> AbstractContextManager[object]:
    """Within it a line for people is said as soon as a function is compiled that no earlier run has left on disk."""
    return cast("AbstractContextManager[object]", event.install_listener("numba:compile", _CompilingListener(notify)))


class _PartLibrary(JITCodeLibrary):
    """The code of a function that is part of others: linked with what it calls, and not yet optimised."""

    def finalize(self) -> None:
        """Keep the code for those that link it; what the engine gets is the function's environment alone."""
        environments = [str(one) for one in self._final_module.global_variables if one.name.startswith(ENVIRONMENT)]
        for library in dict.fromkeys(self._linking_libraries):
            self._final_module.link_in(library._get_module_for_linking(), preserve=True)
        self._finalize_dynamic_globals()
        self._finalized = True
        self._get_module_for_linking()  # keeps it
        empty = str(self._codegen._create_empty_module(self.name))
        self._final_module = parse_assembly("\n".join([empty, *environments]))
        self._finalize_final_module()


@register_pass(mutates_CFG=False, analysis_only=True)
class _BecomePart(AnalysisPass):
    """Gives the function that is being compiled a library of its kind."""

    _name = "become_part"

    def __init__(self) -> None:
        """Take nothing."""

    def run_pass(self, state: Any) -> bool:
        """Set the library; returns that nothing else was changed."""
        state.library = _PartLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library.enable_object_caching()
        return False


class _PartCompiler(CompilerBase):
    """numba's usual steps, with a library for parts."""

    def define_pipelines(self) -> list[Any]:
        """The steps."""
        steps = DefaultPassBuilder.define_nopython_pipeline(self.state)
        steps.add_pass_after(_BecomePart, AnnotateTypes)
        steps.finalize()
        return [steps]


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function without the interpreter's lock, cached on disk, in strict IEEE arithmetic.

    Strict (no ``fastmath``), because the same bits are promised for one point and for a million.

    By itself numba optimises each function together with all that it calls, at every level of calls again. Here a
    function that compiled functions call is their part: it is typed and lowered once, kept on disk like that, and
    optimised and made into machine code only as part of what Python calls.
    """
    folder = cache_folder()
    whole = _dispatcher(function, folder)
    part = _dispatcher(function, folder and folder / "parts", no_cpython_wrapper=True, pipeline_class=_PartCompiler)
    whole.get_call_template, whole.get_overload = _for_any_constant(part.get_call_template), part.get_overload
    whole.part = part
    return cast("Callable[P, R]", whole)


def _dispatcher(function: Callable[P, R], folder: Path | None, **options: Any) -> Any:
    """A function as numba compiles it, kept in a folder, if there is one."""
    config: Any = numba.config
    njit: Any = numba.njit  # its types do not know no_cfunc_wrapper: code for calls that nobody makes
    before = config.CACHE_DIR
    config.CACHE_DIR = str(folder or "")
    try:
        return njit(nogil=True, cache=folder is not None, error_model="numpy", no_cfunc_wrapper=True, **options)(
            function
        )
    finally:
        config.CACHE_DIR = before  # other programs' functions keep their own place


def _for_any_constant(get_call_template: Callable[..., Any]) -> Callable[..., Any]:
    """How a compiled function is found by one that calls it: by the types of its arguments alone.

    numba would compile it once more for each constant integer that some caller passes.
    """
    unliteral: Any = types.unliteral

    def get(args: Iterable[Any], named: Mapping[str, Any]) -> Any:
        return get_call_template(tuple(map(unliteral, args)), {name: unliteral(kind) for name, kind in named.items()})

    return get


def compile_part(function: Callable[..., object], *examples: object) -> None:
    """Compile a function as part of others, for arguments of the types of these, and keep it on disk."""
    cast("Any", function).part.compile(tuple(map(numba.typeof, examples)))


def _pointer(_context: Any, address: Any) -> Any:
    """An address as compiled code takes it for ``numba.carray``; the caller keeps alive what is there."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return types.voidptr(address), generate


#: ``pointer(address)``, in compiled code only.
pointer: Any = intrinsic(_pointer)


def address_of(array: NDArray[Any]) -> int:
    """Where a contiguous array lies in memory: for as long as it is kept alive."""
    return int(array.ctypes.data)

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
from numba import types
from numba.core import cgutils, event
from numba.extending import intrinsic
from numba.np import linalg
from numpy.typing import NDArray

from streamforest.compiled_parts import can_link_parts, part_options

P = ParamSpec("P")
R = TypeVar("R")

#: One element of a structured array and such an array, as compiled code sees them: fields are attributes,
#: which numpy's own types do not know.
Record: TypeAlias = Any
Records: TypeAlias = Any

#: A file that holds compiled functions, and a line that imports from the package; what is imported inside a function or
#: for types only is indented, and no constant of it is compiled.
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


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function without the interpreter's lock, cached on disk, in strict IEEE arithmetic.

    Strict (no ``fastmath``), because the same bits are promised for one point and for a million.

    By itself numba optimises each function together with all that it calls, at every level of calls again. Here a
    function that compiled functions call is their part: it is typed and lowered once, kept on disk like that, and
    optimised and made into machine code only as part of what Python calls. A numba that cannot do that compiles all of
    them its own way: the same bits, later.
    """
    folder = cache_folder()
    options = part_options()
    if options is None:
        return cast("Callable[P, R]", _dispatcher(function, folder))
    whole = _dispatcher(function, folder, no_cfunc_wrapper=True)
    whole.part = _dispatcher(function, folder and folder / "parts", **options)
    _let_parts_be_called(whole, whole.part)
    return cast("Callable[P, R]", whole)


def _dispatcher(function: Callable[P, R], folder: Path | None, **options: Any) -> Any:
    """A function as numba compiles it, kept in a folder, if there is one."""
    config: Any = numba.config
    njit: Any = numba.njit  # its types do not know no_cfunc_wrapper: code for calls that nobody makes
    before = config.CACHE_DIR
    config.CACHE_DIR = str(folder or "")
    try:
        return njit(nogil=True, cache=folder is not None, error_model="numpy", **options)(function)
    finally:
        config.CACHE_DIR = before  # other programs' functions keep their own place


def _let_parts_be_called(whole: Any, part: Any) -> None:
    """Have compiled functions find a function's part where they call it, by the types of its arguments alone.

    numba would compile it once more for each constant integer that some caller passes.
    """
    unliteral: Any = types.unliteral
    own_template, own_overload = whole.get_call_template, whole.get_overload

    def get_call_template(args: Iterable[Any], named: Mapping[str, Any]) -> Any:
        if not can_link_parts():
            return own_template(args, named)
        return part.get_call_template(
            tuple(map(unliteral, args)), {name: unliteral(kind) for name, kind in named.items()}
        )

    def get_overload(signature: Any) -> Any:
        return (part.get_overload if can_link_parts() else own_overload)(signature)

    whole.get_call_template, whole.get_overload = get_call_template, get_overload


def compile_part(function: Callable[..., object], *examples: object) -> None:
    """Compile a function as others call it, for arguments of the types of these, and keep it on disk."""
    whole = cast("Any", function)
    called = whole.part if part_options() is not None and can_link_parts() else whole
    called.compile(tuple(map(numba.typeof, examples)))


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

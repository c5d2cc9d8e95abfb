"""How functions are compiled: one decorator, so that all of them follow the same rules."""

from __future__ import annotations

import hashlib
import importlib
import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import Any, ParamSpec, TypeAlias, TypeVar, cast

import numba
from numba import types
from numba.core import cgutils, event
from numba.extending import intrinsic
from numba.np import linalg
from numpy.typing import NDArray

P = ParamSpec("P")
R = TypeVar("R")

#: One element of a structured array and such an array, as compiled code sees them: fields are attributes,
#: which numpy's own types do not know.
Record: TypeAlias = Any
Records: TypeAlias = Any

#: Folders of the package that no compiled function calls into.
NOT_COMPILED = ("sources", "sinks", "views", "engines")


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


@cache
def cache_folder() -> Path | None:
    """Where compiled functions are kept between runs, named by the package's own source; None if nowhere.

    The compiler looks only at a function's own file, and a caller holds its callees' code: without the
    source of all of them in the name, an updated program would go on running parts of the old one.
    """
    package = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        if path.parent.name in NOT_COMPILED:
            continue
        digest.update(path.read_bytes())
    for kept in (package / "__pycache__", Path.home() / ".cache" / "streamforest"):
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


class _CompilingListener(event.Listener):
    """Has a line said when the first function is compiled; of those that are found on disk it hears nothing."""

    def __init__(self, notify: Callable[[str], None]) -> None:
        self._notify = notify
        self._is_told = False

    def on_start(self, _event: object) -> None:
        if not self._is_told:
            self._is_told = True
            kept = "once" if cache_folder() else "and nowhere to keep it for the next run"
            self._notify(f"compiling, {kept}: this takes up to half a minute")

    def on_end(self, _event: object) -> None:
        """Nothing is to be said."""


def telling_of_compiling(notify: Callable[[str], None]) -> AbstractContextManager[object]:
    """Within it a line for people is said as soon as a function is compiled that no earlier run has left on disk."""
    return cast("AbstractContextManager[object]", event.install_listener("numba:compile", _CompilingListener(notify)))


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function without the interpreter's lock, cached on disk, in strict IEEE arithmetic.

    Strict (no ``fastmath``), because the same bits are promised for one point and for a million.
    """
    folder = cache_folder()
    config: Any = numba.config
    before = config.CACHE_DIR
    config.CACHE_DIR = str(folder or "")
    try:
        made = numba.njit(nogil=True, cache=folder is not None, error_model="numpy")(function)
    finally:
        config.CACHE_DIR = before  # other programs' functions keep their own place
    return cast("Callable[P, R]", made)


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

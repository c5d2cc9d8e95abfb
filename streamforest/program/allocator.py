"""How the process gets memory: so that what a run takes for a moment goes back when the moment is over."""

from __future__ import annotations

import ctypes
import os
import sys

M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8
#: Bytes from which a block of memory is the system's own, to be given back as soon as it is free.
LARGE = 128 * 1024
#: Bytes of addresses (``ulimit -v``) below which numpy and numba cannot be loaded: the compiler would end the program.
LEAST_ADDRESSES = 340_000 * 1024


def give_back_large_blocks() -> bool:
    """Keep memory flat over a long run; returns whether the C library can do so (glibc can).

    glibc, too, begins with LARGE, but raises it to the largest block that was ever freed, up to 32 MB. From then on
    arrays of that size lie between small things that stay, and a run with a window grew by 10 MB in its first minutes.
    """
    return _tell_allocator(M_MMAP_THRESHOLD, LARGE)


def _tell_allocator(parameter: int, value: int) -> bool:
    """Set a parameter of glibc's allocator; returns whether that is the C library here."""
    if sys.platform != "linux":
        return False
    try:
        return bool(ctypes.CDLL(None).mallopt(parameter, value))
    except (OSError, AttributeError):  # another C library
        return False


def can_load_packages() -> bool:
    """Whether the limit on this process's addresses, if there is one, lets the packages be loaded at all.

    Under a limit, addresses are spared: a thread of numpy's OpenBLAS, of which no run needs two, takes 40 MB of them,
    and glibc sets 64 MB aside for each thread's small blocks.
    """
    if sys.platform == "win32":
        return True
    import resource  # noqa: PLC0415 - not on Windows

    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft == resource.RLIM_INFINITY:
        return True
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    _tell_allocator(M_ARENA_MAX, 1)
    return soft >= LEAST_ADDRESSES

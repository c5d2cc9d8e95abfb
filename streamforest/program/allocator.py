"""How the process gets memory: so that what a run takes for a moment goes back when the moment is over."""

from __future__ import annotations

import ctypes
import sys

M_MMAP_THRESHOLD = -3
#: Bytes from which a block of memory is the system's own, to be given back as soon as it is free.
LARGE = 128 * 1024
#: Bytes of addresses (``ulimit -v``) below which numpy and numba cannot be loaded: the compiler would end the program.
#: With one thread of OpenBLAS a run needs about 340 MB, with more of them more.
LEAST_ADDRESSES = 310_000 * 1024


def give_back_large_blocks() -> bool:
    """Keep memory flat over a long run; returns whether the C library can do so (glibc can).

    glibc, too, begins with LARGE, but raises it to the largest block that was ever freed, up to 32 MB. From then on
    arrays of that size lie between small things that stay, and a run with a window grew by 10 MB in its first minutes.
    """
    if sys.platform != "linux":
        return False
    try:
        return bool(ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE))
    except (OSError, AttributeError):  # another C library
        return False


def can_load_packages() -> bool:
    """Whether the limit on this process's addresses, if there is one, lets the packages be loaded at all."""
    if sys.platform == "win32":
        return True
    import resource  # noqa: PLC0415 - not on Windows

    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return soft == resource.RLIM_INFINITY or soft >= LEAST_ADDRESSES

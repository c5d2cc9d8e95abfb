"""How the process gets memory: so that what a run takes for a moment goes back when the moment is over."""

from __future__ import annotations

import ctypes
import sys

M_MMAP_THRESHOLD = -3
#: Bytes from which a block of memory is the system's own, to be given back as soon as it is free.
LARGE = 128 * 1024


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

"""How much memory a run may take: what is free at its start, or less where that is asked for."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path, PurePosixPath

from streamforest.stream_names import MOST_STREAMS

#: Share of the free memory that the records of many streams may take.
SHARE = 0.4
#: What a checkpoint takes beside them, as a share of them: the readings since the newest one.
KEPT = 0.25
#: Bytes of a stream beside its record: its key, its times, what sinks and counts know of it.
BESIDE = 2_000
MEGABYTE = 10**6
#: Where Linux tells of programs and of groups of them. Of a group, by the folder of its version: its limit, the bytes
#: that it takes, and the name of those of them that are files not used lately.
PROC, GROUPS = Path("/proc"), Path("/sys/fs/cgroup")
FILES = {
    "": ("memory.max", "memory.current", "inactive_file"),
    "memory": ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}
#: Bytes that matplotlib, its libraries and a picture take, in addresses.
PICTURES = 120 * MEGABYTE


def most_streams(record_bytes: int, is_kept: bool, free: int | None) -> int:
    """How many streams there may be.

    Parameters
    ----------
    record_bytes : int
        Of a stream.
    is_kept : bool
        Whether checkpoints are written.
    free : int or None
        Bytes that the run may take; None where that is not known.

    Examples
    --------
    >>> most_streams(24_000, True, 10**9), most_streams(24_000, True, None)
    (12500, 1000000)
    """
    if free is None:
        return MOST_STREAMS
    each = record_bytes * (1 + KEPT * is_kept) + BESIDE
    return max(1, min(MOST_STREAMS, int(SHARE * free / each)))


def free_memory(limit: int | None = None) -> int | None:
    """Bytes that this program may take beside what it has: by the machine, its group's limit, and ``limit``.

    None where the system does not tell.
    """
    found = [available(), left_to_group(), left_to_program(), limit]
    limits = [n for n in found if n is not None]
    return max(0, min(limits)) if limits else None


def limit_memory(limit: int) -> bool:
    """Let this program take no more than so many bytes: what asks for more fails; returns whether that works here."""
    if sys.platform == "win32":
        return False
    import resource  # noqa: PLC0415 - not on Windows

    try:
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        most = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
    except (OSError, ValueError):
        return False
    return sys.platform == "linux"  # elsewhere it counts too little


def reserve_for_pictures() -> bool:
    """Whether the limits of this program, if there are any, leave memory for pictures; some of it is taken at once.

    That is the buffer of numpy's OpenBLAS: where there is no memory for it when a picture is drawn, OpenBLAS ends the
    program. And where memory ends while packages are imported, the interpreter may never come to an end of it.
    """
    left = left_to_program()
    if left is not None and left < PICTURES:
        return False
    if left is not None:
        import numpy as np  # noqa: PLC0415 - seldom needed here

        np.linalg.inv(np.eye(3))
    return True


def available() -> int | None:
    """Bytes of the machine that no other program needs."""
    with suppress(OSError, ValueError, IndexError):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    with suppress(OSError, ValueError, AttributeError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    return None


def left_to_group() -> int | None:
    """Bytes that are left to the control groups of this program, as a container's; None where they have no limit."""
    try:
        lines = (PROC / "self/cgroup").read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return None
    left = []
    for line in lines:
        _, kinds, path = line.split(":", 2)
        kind = "" if not kinds else "memory" if "memory" in kinds.split(",") else None
        if kind is not None:
            # in a container the path may be the host's, and its group is what stands at the top
            group = PurePosixPath(path)
            left += [_left_in(GROUPS / kind / str(one).lstrip("/"), *FILES[kind]) for one in (group, *group.parents)]
    return min((n for n in left if n is not None), default=None)


def _left_in(folder: Path, most: str, taken: str, held: str) -> int | None:
    """Bytes that are left to one group; the system takes back what files have of its memory."""
    with suppress(OSError, ValueError):
        limit = int((folder / most).read_text(encoding="ascii"))  # "max" where there is none
        used = int((folder / taken).read_text(encoding="ascii"))
        facts = dict(line.split() for line in (folder / "memory.stat").read_text(encoding="ascii").splitlines())
        return limit - used + int(facts.get(held, 0))
    return None


def left_to_program() -> int | None:
    """Bytes that the limits of this program (``ulimit -v``, ``-d``) leave to it."""
    if sys.platform == "win32":
        return None
    import resource  # noqa: PLC0415 - not on Windows

    left = []
    with suppress(OSError, ValueError, IndexError):
        sizes = Path("/proc/self/statm").read_text(encoding="ascii").split()
        for name, column in (("RLIMIT_AS", 0), ("RLIMIT_DATA", 5)):
            soft, _ = resource.getrlimit(getattr(resource, name))
            if soft != resource.RLIM_INFINITY:
                left.append(soft - int(sizes[column]) * resource.getpagesize())
    return min(left, default=None)

"""The machine itself: how busy its processors are, its memory, network and disks."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from streamforest.connections.polling import polled
from streamforest.optional import optional
from streamforest.protocols import Reading, Refusal, SourceError, Stop
from streamforest.text import shown

INTERVAL = 1.0  # seconds between two looks where nothing else is asked for

Counters = dict[str, tuple[float, ...]]
Rows = list[tuple[float, ...]]

_LOOPBACK = re.compile(r"lo\d*|loopback.*", re.IGNORECASE)
_LINUX_DISKS = Path("/sys/block")


class SystemSource:
    """What this machine does, read at fixed intervals, with times.

    Parameters
    ----------
    what : str
        One of METERS. ``cpu`` and ``memory`` are in percent; ``network`` and ``disk`` in bytes a second, both
        directions together.
    part : str
        One processor by its number from 0, one network interface or one disk by its name. Empty: all processors, all
        interfaces without the loopback, all disks.
    interval : float, optional
        Seconds between two readings; the first comes after one interval.
    clock, wall_clock : callable
        Seconds that only go forward, and seconds UTC epoch.

    Raises
    ------
    SourceError
        There is no such part, or the machine does not tell.
    MissingPackageError
        psutil is not installed.

    Notes
    -----
    Rates are what counters grew by, over the time that passed. Where a counter went back (it wrapped round, or the
    device was taken away and came back) or is gone, the reading is a missing one. Where parts are summed up, one that
    appears counts from the next reading on, and one that goes does no longer.
    """

    live = True

    def __init__(
        self,
        what: str,
        part: str = "",
        interval: float | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self.name = f"{what} {part}".rstrip()
        self._psutil = optional("psutil", "system")
        self._meter = METERS[what]
        self._part = part
        self._interval = INTERVAL if interval is None else interval
        self._clock = clock
        self._wall_clock = wall_clock
        self._last_time = 0.0
        self._before, self._before_at = self._counters(), clock()
        self._check_part(self._before)

    def read(self, stop: Stop, most: int) -> Iterator[list[Reading | Refusal]]:  # noqa: ARG002 - one at a time
        """Yield a reading after each interval.

        Raises
        ------
        SourceError
            The machine does not tell any more.
        """
        self._before, self._before_at = self._counters(), self._clock()
        yield from polled(self._look, self._interval, stop, clock=self._clock, is_first_at_once=False)

    def describe(self) -> str:
        """What is watched, in words."""
        return f"{self.name}: {self._meter.unit} every {self._interval:g} s"

    def close(self) -> None:
        """Nothing is held."""

    def _check_part(self, there: Counters) -> None:
        if self._part and not self._meter.part:
            raise SourceError(f"{self._meter.thing} has no parts, so not {shown(self._part)} either")
        if self._part in there:
            return
        if self._part and there:
            raise SourceError(f"there is no {self._meter.part} {shown(self._part)} here; there are {', '.join(there)}")
        if not any(map(self._meter.is_summed, there)):
            raise SourceError(f"this machine shows no {self._meter.part}")

    def _look(self) -> Reading:
        self._last_time = max(self._last_time, self._wall_clock())  # a clock that is set back does not end the stream
        return Reading(self._value(), self._last_time)

    def _value(self) -> float | None:
        """What there is to say of the time since the last look; None for a missing reading."""
        before, before_at = self._before, self._before_at
        self._before, self._before_at = self._counters(), self._clock()
        names = [self._part] if self._part else filter(self._meter.is_summed, self._before)
        both = [(before[name], self._before[name]) for name in names if name in before and name in self._before]
        seconds = self._before_at - before_at
        if not both or seconds <= 0:
            return None
        return self._meter.value([old for old, _ in both], [new for _, new in both], seconds)

    def _counters(self) -> Counters:
        try:
            return self._meter.read(self._psutil)
        except (OSError, NotImplementedError, RuntimeError, self._psutil.Error) as error:
            raise SourceError(f"this machine does not tell of its {self._meter.thing}: {error}") from None


class Meter(NamedTuple):
    """One thing that a machine tells of itself.

    Attributes
    ----------
    thing, part, unit : str
        What it is, what one part of it is called (empty: it has none), and what a reading is, for people.
    read : callable
        Takes psutil; returns the counters of each part by its name.
    is_summed : callable
        Whether a part, by its name, belongs to the sum over all.
    value : callable
        Takes the counters of the parts at the last look, the same now, and the seconds between; None: missing.
    """

    thing: str
    part: str
    unit: str
    read: Callable[[Any], Counters]
    is_summed: Callable[[str], bool]
    value: Callable[[Rows, Rows, float], float | None]


def _processors(psutil: Any) -> Counters:
    """Seconds busy and seconds idle of each processor."""
    return {str(number): _busy_and_idle(times) for number, times in enumerate(psutil.cpu_times(percpu=True))}


def _busy_and_idle(times: Any) -> tuple[float, float]:
    seconds = times._asdict()
    for counted_twice in ("guest", "guest_nice"):  # Linux has them in user and nice as well
        seconds.pop(counted_twice, None)
    idle = seconds.pop("idle") + seconds.pop("iowait", 0.0)
    return sum(seconds.values()), idle


def _percent_busy(before: Rows, after: Rows, _seconds: float) -> float | None:
    # these counters never start anew, but on Linux the time of waiting may go back by a tick
    busy, idle = (max(0.0, sum(new) - sum(old)) for old, new in zip(_columns(before), _columns(after), strict=True))
    return 100.0 * busy / (busy + idle) if busy + idle > 0 else None


def _columns(rows: Rows) -> Rows:
    return list(zip(*rows, strict=True))


def _memory(psutil: Any) -> Counters:
    """Bytes in all, and bytes that programs can still have."""
    memory = psutil.virtual_memory()
    return {"memory": (memory.total, memory.available)}


def _percent_used(_before: Rows, after: Rows, _seconds: float) -> float | None:
    total, available = after[0]
    return 100.0 * (total - available) / total if total > 0 else None


def _interfaces(psutil: Any) -> Counters:
    """Bytes sent and received by each network interface."""
    found = psutil.net_io_counters(pernic=True, nowrap=False) or {}
    return {name: (counts.bytes_sent, counts.bytes_recv) for name, counts in found.items()}


def _disks(psutil: Any) -> Counters:
    """Bytes read from and written to each disk; on Linux partitions as well."""
    found = psutil.disk_io_counters(perdisk=True, nowrap=False) or {}
    return {name: (counts.read_bytes, counts.write_bytes) for name, counts in found.items()}


def _is_device(name: str) -> bool:
    """Whether a disk is one of its own: what lies upon others, as a partition does, would count twice."""
    return not _LINUX_DISKS.is_dir() or (_LINUX_DISKS / name.replace("/", "!") / "device").exists()


def _bytes_a_second(before: Rows, after: Rows, seconds: float) -> float | None:
    grown = [new - old for olds, news in zip(before, after, strict=True) for old, new in zip(olds, news, strict=True)]
    return None if min(grown) < 0 else sum(grown) / seconds


#: What can be watched, by the word that names it.
METERS = {
    "cpu": Meter("processors", "processor", "percent busy", _processors, lambda _: True, _percent_busy),
    "memory": Meter("memory", "", "percent used", _memory, lambda _: True, _percent_used),
    "network": Meter(
        "network",
        "network interface",
        "bytes a second, sent and received",
        _interfaces,
        lambda name: not _LOOPBACK.fullmatch(name),
        _bytes_a_second,
    ),
    "disk": Meter("disks", "disk", "bytes a second, read and written", _disks, _is_device, _bytes_a_second),
}

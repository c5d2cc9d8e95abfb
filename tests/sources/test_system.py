import os
import socket
import threading
import time
from collections import namedtuple
from itertools import islice
from types import SimpleNamespace

import pytest

from streamforest.optional import MissingPackageError
from streamforest.protocols import SourceError
from streamforest.sources import SourceOptions, open_source, system
from streamforest.sources.system import METERS, SystemSource
from streamforest.terminal.stop import StopFlag

Bytes = namedtuple("Bytes", "bytes_sent bytes_recv")
Blocks = namedtuple("Blocks", "read_bytes write_bytes")
Times = namedtuple("Times", "user nice system idle iowait guest guest_nice")


@pytest.fixture
def stop():
    flag = StopFlag()
    yield flag
    flag.close()


class Machine(SimpleNamespace):
    """A machine whose counters are told one look after the other, and its clock: a look is a second later."""

    Error = type("Error", (Exception,), {})

    def __init__(self, looks):
        super().__init__(looks=list(looks), now=100.0, requested=False)

    def next(self, **_how):
        found = self.looks.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    cpu_times = net_io_counters = disk_io_counters = virtual_memory = next

    def __call__(self):
        return self.now

    def wait(self, seconds):
        self.now += seconds
        self.requested = not self.looks
        return self.requested


@pytest.fixture
def values(monkeypatch):
    """The readings' values of a machine that tells these counters."""

    def values(what, looks, part="", interval=None):
        machine = Machine([looks[0], *looks])
        monkeypatch.setattr(system, "optional", lambda *_: machine)
        source = SystemSource(what, part, interval, clock=machine, wall_clock=machine)
        readings = [reading for block in source.read(machine, 100) for reading in block]
        seconds = interval or 1.0
        assert [reading.time for reading in readings] == [100 + seconds * (at + 1) for at in range(len(readings))]
        return [reading.value for reading in readings]

    return values


def nics(**counts):
    return {name: Bytes(*pair) for name, pair in counts.items()}


def disks(**counts):
    return {name: Blocks(*pair) for name, pair in counts.items()}


def test_network_is_bytes_a_second_in_both_directions_without_the_loopback(values):
    looks = [nics(lo=(0, 0), eth0=(10, 100), eth1=(0, 0)), nics(lo=(9e9, 9e9), eth0=(14, 300), eth1=(1, 1))]
    assert values("network", looks, interval=2.0) == [(4 + 200 + 2) / 2]
    assert values("network", looks, "eth0") == [204]
    assert values("network", looks, "lo") == [18e9]


@pytest.mark.parametrize("part", ["", "eth0"])
def test_a_counter_that_goes_back_or_is_gone_gives_a_missing_reading_and_then_it_goes_on(values, part):
    at = [nics(eth0=pair) for pair in ((50, 50), (60, 60), (3, 70), (4, 80), (5, 90))]
    assert values("network", [*at[:3], *at[3:]], part) == [20, None, 11, 11]
    assert values("network", [at[0], at[1], {}, at[3], at[4]], part) == [20, None, None, 11]


def test_an_interface_that_comes_counts_from_the_next_reading_on_and_one_that_goes_no_longer(values):
    looks = [nics(a=(0, 0)), nics(a=(1, 0), b=(1e9, 0)), nics(a=(2, 0), b=(1e9 + 5, 0)), nics(b=(1e9 + 7, 0))]
    assert values("network", looks) == [1, 6, 2]


def test_disk_is_bytes_a_second_read_and_written_and_counts_no_partition_twice(values, monkeypatch, tmp_path):
    (tmp_path / "sda" / "device").mkdir(parents=True)
    (tmp_path / "dm-0").mkdir()
    monkeypatch.setattr(system, "_LINUX_DISKS", tmp_path)
    names = ("sda", "sda1", "dm-0")
    looks = [disks(**dict.fromkeys(names, (0, 0))), disks(**dict.fromkeys(names, (512, 1024)))]
    assert values("disk", looks) == [1536]
    assert values("disk", looks, "sda1") == [1536]
    monkeypatch.setattr(system, "_LINUX_DISKS", tmp_path / "not Linux")
    assert values("disk", looks) == [3 * 1536]


def test_cpu_is_the_share_of_time_that_was_not_idle_of_one_processor_or_of_all(values):
    looks = [
        [Times(10, 0, 0, 100, 5, 10, 0), Times(0, 0, 0, 0, 0, 0, 0)],
        [Times(10.2, 0, 0.1, 100.5, 5.2, 10.2, 0), Times(1, 0, 0, 0, 0, 0, 0)],
    ]
    assert values("cpu", looks, "0") == [pytest.approx(30)]
    assert values("cpu", looks, "1") == [pytest.approx(100)]
    assert values("cpu", looks) == [pytest.approx(65)]


def test_cpu_without_a_tick_is_missing_and_a_time_of_waiting_that_goes_back_is_no_fault(values):
    look = [Times(10, 0, 0, 100, 5, 0, 0)]
    assert values("cpu", [look, look]) == [None]
    assert values("cpu", [look, [Times(11, 0, 0, 100, 4.9, 0, 0)]]) == [100]


def test_memory_is_what_programs_can_no_longer_have_in_percent(values):
    looks = [SimpleNamespace(total=1000, available=available) for available in (500, 250, 900)]
    assert values("memory", looks) == [75, 10]


def test_a_clock_that_is_set_back_does_not_send_times_back(monkeypatch):
    machine = Machine([SimpleNamespace(total=2, available=1)] * 5)
    monkeypatch.setattr(system, "optional", lambda *_: machine)
    walls = iter([1000.0, 400.0, 1001.0])
    source = SystemSource("memory", clock=machine, wall_clock=lambda: next(walls))
    times = [reading.time for block in source.read(machine, 1) for reading in block]
    assert times == [1000, 1000, 1001]


@pytest.mark.parametrize(
    ("what", "looks", "part", "message"),
    [
        ("network", [nics(lo=(0, 0), eth0=(0, 0))], "eth9", "no network interface 'eth9' here; there are lo, eth0"),
        ("disk", [disks(sda=(0, 0))], "sdx", "no disk 'sdx' here; there are sda"),
        ("cpu", [[Times(*[0] * 7)] * 2], "2", "no processor '2' here; there are 0, 1"),
        ("memory", [SimpleNamespace(total=1, available=1)], "swap", "memory has no parts, so not 'swap' either"),
        ("network", [nics(lo=(0, 0))], "", "this machine shows no network interface"),
        ("disk", [None], "", "this machine shows no disk"),
        ("disk", [None], "sda", "this machine shows no disk"),
        ("disk", [FileNotFoundError("/proc/diskstats")], "", "does not tell of its disks: /proc/diskstats"),
    ],
)
def test_what_is_not_there_is_an_error_that_names_what_is(values, what, looks, part, message):
    with pytest.raises(SourceError, match=message):
        values(what, looks, part)


def test_counters_that_can_no_longer_be_read_end_the_source_with_an_error(values):
    with pytest.raises(SourceError, match="does not tell of its network: gone"):
        values("network", [nics(a=(0, 0)), OSError("gone")])


def test_without_psutil_the_command_that_installs_it_is_told(monkeypatch):
    def import_nothing(name):
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr("streamforest.optional.import_module", import_nothing)
    with pytest.raises(MissingPackageError, match=r"system needs psutil.* -r streamforest/requirements/system\.txt"):
        SystemSource("cpu")


class TestThisMachine:
    """The same with psutil's own counters."""

    @pytest.fixture(autouse=True)
    def _needs_psutil(self):
        pytest.importorskip("psutil")

    @pytest.mark.parametrize("what", METERS)
    def test_every_word_gives_readings_in_their_range_at_its_interval(self, what, stop):
        try:
            source = open_source(what, SourceOptions(print, interval=0.05))
        except SourceError as error:
            pytest.skip(str(error))  # as a container without disks
        started = time.time()
        readings = [block[0] for block in islice(source.read(stop, 10), 5)]
        assert 0.24 < readings[-1].time - started < 5
        values = [reading.value for reading in readings if reading.value is not None]
        assert values
        assert all(0 <= value <= (100 if what in ("cpu", "memory") else 1e12) for value in values)
        assert (source.name, source.live) == (what, True)
        assert "every 0.05 s" in source.describe()
        source.close()
        source.close()

    def test_a_busy_processor_is_seen(self, stop):
        source = SystemSource("cpu", "", 0.3)
        blocks = source.read(stop, 1)
        worker = threading.Thread(target=lambda: [None for _ in range(20_000_000)])
        worker.start()
        value = next(blocks)[0].value
        worker.join()
        assert value >= 0.6 * 100 / os.cpu_count()

    @pytest.mark.skipif(not os.path.exists("/sys/class/net/lo"), reason="Linux' name of the loopback")  # noqa: PTH110
    def test_bytes_that_are_sent_are_counted(self, stop):
        def send():
            for _ in range(100):
                sender.sendto(b"x" * 1000, ("127.0.0.1", 9))

        blocks = SystemSource("network", "lo", 0.4).read(stop, 1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            timer = threading.Timer(0.1, send)
            timer.start()
            values = [next(blocks)[0].value for _ in range(2)]
            timer.join()
        assert sum(values) * 0.4 > 90_000

    def test_a_stop_ends_a_long_interval_at_once(self, stop):
        blocks = SystemSource("memory", "", 86_400).read(stop, 1)
        threading.Timer(0.05, stop.request).start()
        started = time.monotonic()
        assert list(blocks) == []
        assert time.monotonic() - started < 1

    def test_an_unknown_part_names_the_ones_there_are(self):
        with pytest.raises(SourceError, match=r"^there is no processor '9999' here; there are 0"):
            open_source("cpu:9999", SourceOptions(print))

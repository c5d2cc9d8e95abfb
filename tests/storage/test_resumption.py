import os
import threading
import time

import numpy as np
import pytest

from streamforest.state import packed, unpacked
from streamforest.storage import resumption as resumptions
from streamforest.storage.checkpoint import CheckpointError, CheckpointFile, Disk, read
from streamforest.storage.resumption import GAP, DifferentRunError, Resumption

RUN = {"SOURCE": "a.csv", "ALARM_RATE": "0.001"}


class Counter:
    """A part that counts."""

    def __init__(self, n=0):
        self.n = n

    def state(self):
        return {"n": np.array([self.n])}

    def restore(self, state):
        self.n = int(state["n"][0])


class Source:
    """A source that can go back, with a gap or without."""

    name, live = "a source", False

    def __init__(self, gap=""):
        self.gap, self.at = gap, 0

    def state(self):
        return {"at": packed(self.at)}

    def restore(self, state):
        self.at = unpacked(state, "at")
        return self.gap


class LiveSource:
    name, live = "a live source", True


class Sink:
    name = "a sink"

    def __init__(self, note=""):
        self.note, self.cut = note, None

    def state(self):
        return {"n": packed(1)}

    def restore(self, state, *, cut):
        unpacked(state, "n")
        self.cut = cut
        return self.note


class FullDisk(Disk):
    is_full = True

    def create(self, path):
        if self.is_full:
            raise OSError(28, "No space left on device")
        return super().create(path)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "checkpoint"


@pytest.fixture
def begin(path):
    """Begin a run on the checkpoint; its notes and clock are attributes."""
    begun = []

    def begin(fingerprint=RUN, every=10.0, disk=None):
        for earlier in begun:
            earlier.close()
        notes, clock = [], [0.0]
        resumption = Resumption(CheckpointFile(path, disk), fingerprint, every, notes.append, lambda: clock[0])
        resumption.notes, resumption.clock = notes, clock
        begun.append(resumption)
        return resumption

    yield begin
    for resumption in begun:
        resumption.close()


def test_a_fresh_run_is_not_resumed_and_tells_nothing(begin):
    first = begin()
    first.add_source(Source())
    part = Counter(3)
    first.add("counts", part)
    assert (first.is_resumed, first.notes, part.n, first.has("counts")) == (False, [], 3, False)


def test_all_parts_go_on_from_where_they_were_kept(begin):
    first, source = begin(), Source()
    source.at = 17
    first.add_source(source)
    first.add("counts", Counter(3))
    first.add_sink(Sink())
    first.write()
    second, source, part, sink = begin(), Source(), Counter(), Sink()
    second.add_source(source)
    second.add("counts", part)
    second.add("new in this version", other := Counter(5))
    second.add_sink(sink)
    assert (source.at, part.n, other.n, sink.cut) == (17, 3, 5, True)
    assert second.is_resumed
    assert second.has("Sink")
    assert second.notes == []


@pytest.mark.parametrize(
    ("source", "note"), [(Source("lines may be missing"), "lines may be missing"), (LiveSource(), GAP)]
)
def test_nothing_is_taken_back_where_it_does_not_come_again(begin, path, source, note):
    first = begin()
    first.add_source(source)
    first.add_sink(Sink())
    first.write()
    second, sink = begin(), Sink("what the sink says")
    second.add_source(source)
    second.add_sink(sink)
    assert sink.cut is False
    assert second.notes == [f"the checkpoint {path}: {note}", "a sink: what the sink says"]


def test_what_a_part_has_taken_is_not_kept_any_longer(begin):
    first = begin()
    first.add("counts", Counter(3))
    first.add_sink(Sink())
    first.write()
    second, part = begin(), Counter()
    second.add("counts", part)
    assert [*second._saved] == ["Sink.n"]
    assert (second.is_resumed, second.has("counts"), second.has("Sink"), second.has("co")) == (True, True, True, False)


def test_it_is_written_when_it_is_due_and_then_after_as_long_again(begin, path):
    run, part = begin(), Counter()
    run.add("counts", part)
    written = []
    for second in range(35):
        run.clock[0], part.n = float(second), second
        run.write_if_due()
        written.append(int(read(path).state["counts.n"][0]) if path.exists() else None)
    assert sorted({n for n in written if n is not None}) == [10, 20, 30]


def test_a_checkpoint_of_another_run_is_refused_with_what_differs(begin):
    begin().write()
    with pytest.raises(DifferentRunError, match=r"ALARM_RATE was 0\.001 and is 0\.01; .*another --checkpoint"):
        begin({**RUN, "ALARM_RATE": "0.01"})
    with pytest.raises(DifferentRunError, match="MODEL was unknown and is x"):
        begin({**RUN, "MODEL": "x"})
    begin()


def test_a_state_that_does_not_fit_is_refused_in_one_line(begin):
    first = begin()
    first.add("counts", Counter())
    first.write()

    class Other(Counter):
        def restore(self, state):
            raise self.error if state else AssertionError

    for error in (ValueError("no n"), TypeError("no n"), KeyError("n")):
        part = Other()
        part.error = error
        with pytest.raises(CheckpointError, match=r"does not fit: .*n"):
            begin().add("counts", part)


def test_a_full_disk_is_told_once_and_does_not_end_the_run(begin, path):
    disk = FullDisk()
    run = begin(disk=disk)
    for _ in range(3):
        run.write()
    disk.is_full = False
    run.write()
    run.write()
    assert run.notes == [
        f"no checkpoint is written, the run goes on: {path}: No space left on device",
        f"checkpoints are written again: {path}",
    ]


class SlowDisk(Disk):
    """One that writes nothing before it may."""

    def __init__(self, seconds=20):
        self.may, self.seconds = threading.Event(), seconds

    def sync(self, descriptor):
        self.may.wait(self.seconds)
        super().sync(descriptor)


def test_a_large_checkpoint_is_written_while_the_run_goes_on(begin, path, monkeypatch):
    monkeypatch.setattr(resumptions, "LARGE", 4)
    disk = SlowDisk()
    run, part = begin(disk=disk), Counter(1)
    run.add("counts", part)
    run.clock[0] = 11.0
    run.write_if_due()
    part.n = 2
    run.clock[0] = 40.0
    run.write_if_due()  # the first one is not done yet
    assert not path.exists()
    disk.may.set()
    run.write()
    assert int(read(path).state["counts.n"][0]) == 2
    assert int(read(path.with_name("checkpoint.1")).state["counts.n"][0]) == 1, "what it was when it was taken"


def test_a_disk_that_hangs_holds_up_no_end_and_no_other_run_gets_what_it_may_still_write(begin, path, monkeypatch):
    monkeypatch.setattr(resumptions, "LARGE", 4)
    monkeypatch.setattr(resumptions, "CLOSING", 0.05)
    disk = SlowDisk(3600)
    run = begin(disk=disk)
    run.add("counts", Counter(1))
    run.clock[0] = 11.0
    run.write_if_due()
    run.write_last(time.monotonic() + 0.05)
    before = "the last checkpoint is the one before that of 0 s ago"
    assert run.notes == [f"no last checkpoint, one is still being written: {before}"]
    run.close()
    assert run._is_writing
    with pytest.raises(CheckpointError, match="another run uses"):
        CheckpointFile(path)
    disk.may.set()
    run._writer.join()
    run.close()
    CheckpointFile(path).close()


def test_large_checkpoints_take_no_more_than_their_share_of_the_time_and_that_is_told_once(begin, path, monkeypatch):
    class Slow(Counter):
        def state(self):
            end = time.thread_time() + (0.05 if slow else 0.0)
            while time.thread_time() < end:
                pass
            return super().state()

    monkeypatch.setattr(resumptions, "LARGE", 4)
    slow, run, part = True, begin(every=0.1), Slow(1)
    run.add("counts", part)

    def number_of_checkpoints(seconds):
        found = 0
        for _ in range(round(10 * seconds)):
            run.clock[0] += 0.1
            run.write_if_due()
            run._finish()
            found += int(part.n == int(read(path).state["counts.n"][0])) if path.exists() else 0
            part.n += 1
        return found

    assert 5 <= number_of_checkpoints(10.0) <= 10, "one a second: 0.05 s are 5 % of it, and writing costs too"
    assert len(run.notes) == 1
    assert "there is one every 1 s" in run.notes[0]
    slow = False
    assert number_of_checkpoints(3.0) >= 15


def test_a_last_checkpoint_that_cannot_be_done_in_time_is_left_out_and_told(begin, path):
    run, part = begin(), Counter(1)
    run.add("counts", part)
    run.write()
    run._took, part.n, run.clock[0] = 7.0, 2, 8.0
    run.write_last(time.monotonic() + 1.5)
    assert run.notes == ["no last checkpoint, it takes 7.0 s: the last checkpoint is that of 8 s ago"]
    assert int(read(path).state["counts.n"][0]) == 1
    run.write_last()
    assert int(read(path).state["counts.n"][0]) == 2


def test_no_memory_for_a_checkpoint_is_told_and_does_not_end_the_run(begin, path):
    class Huge(Counter):
        def state(self):
            raise MemoryError

    run = begin()
    run.add("counts", Huge())
    run.write()
    assert run.notes == [f"no checkpoint is written, the run goes on: {path}: there is not enough memory"]


@pytest.mark.parametrize("stale", ["file", "link", "pipe"])
def test_what_a_killed_run_left_is_replaced(begin, path, stale):
    new = path.with_name("checkpoint.new")
    if stale == "file":
        new.write_bytes(b"half a checkpoint")
    elif stale == "link":
        new.symlink_to(path.with_name("of somebody else"))
    else:
        os.mkfifo(new)
    run = begin()
    run.add("counts", Counter(3))
    run.write()
    assert run.notes == []
    assert int(read(path).state["counts.n"][0]) == 3
    assert not path.with_name("of somebody else").exists()

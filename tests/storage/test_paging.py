import random
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamforest.storage import paging
from streamforest.storage.checkpoint import CheckpointError, CheckpointFile, Disk, read
from streamforest.storage.paging import RATE, Pager
from streamforest.storage.resumption import Resumption

SLOTS = 3  # of a page


class Numbers:
    """Numbers by slot, in pages; a change makes another one of a number, by where it comes in the order."""

    def __init__(self, page_bytes=RATE):
        self.numbers, self.changes, self.changed = [], 0, np.zeros(0, np.int64)
        self.page_bytes, self._log, self._forgotten = page_bytes, None, 0
        self.extra = 0  # what is neither in pages nor in the log

    def keep_log(self):
        self._log = []

    @property
    def log_bytes(self):
        return 1000 * (self.changes - self._forgotten)

    def change(self, slot, by):
        while slot >= len(self.numbers):
            self.numbers += [0] * SLOTS
            self.changed = np.append(self.changed, 0)
        self._take(slot, by)
        self.changes += 1
        self.changed[slot // SLOTS] = self.changes
        self._log.append((slot, by))
        self.extra = by

    def _take(self, slot, by):
        self.numbers[slot] = (31 * self.numbers[slot] + by) % 1_000_003

    def page(self, number):
        return {"page": np.array(self.numbers[number * SLOTS : (number + 1) * SLOTS])}

    def log(self, first):
        return {"log": np.array(self._log[first - self._forgotten :], np.int64).reshape(-1, 2)}

    def forget(self, end):
        del self._log[: max(0, end - self._forgotten)]
        self._forgotten = max(self._forgotten, end)

    def rest(self):
        return {"extra": np.array([self.extra])}

    def restore_pages(self, rest, pages, logs, since):
        self.numbers, self.changed = [0] * (SLOTS * len(since)), since.copy()
        for number in sorted(pages):
            self.numbers[number * SLOTS : (number + 1) * SLOTS] = pages.pop(number)["page"].tolist()
        for log in logs:
            for at, (slot, by) in enumerate(log.state["log"].tolist(), log.first):
                if at >= since[slot // SLOTS]:
                    self._take(slot, by)
                self.changed[slot // SLOTS] = at + 1
            assert at + 1 == log.end
        self.extra = int(rest["extra"][0])


class Part:
    """The part of a run that such numbers are."""

    def __init__(self, paged):
        self.paged = paged

    def state(self):
        raise AssertionError("it is kept in pages")

    restore = state


class PowerLossError(BaseException):
    """All ends here."""


class FailingDisk(Disk):
    """A disk on which one of the operations ends the program, after half of it; or on which some fail."""

    def __init__(self, ends_at=None, is_full=lambda: False):
        self._left, self._is_full = ends_at, is_full

    def _step(self, operation, *arguments):
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                if operation == "write":
                    super().write(arguments[0], arguments[1][: len(arguments[1]) // 2])
                raise PowerLossError
        if operation in {"create", "write"} and self._is_full():
            raise OSError(28, "No space left on device")
        return getattr(super(), operation)(*arguments)

    def create(self, path):
        return self._step("create", path)

    def write(self, descriptor, block):
        return self._step("write", descriptor, block)

    def replace(self, old, new):
        self._step("replace", old, new)

    def sync(self, descriptor):
        pass

    def sync_folder(self, folder):
        pass


class Run:
    """A run of one large part, by a clock that is set."""

    def __init__(self, path, disk=None, every=1.0, page_bytes=RATE):
        self.notes, self.now = [], 0.0
        self.numbers = Numbers(page_bytes)
        self.file = CheckpointFile(path, disk or FailingDisk())
        self.resumption = Resumption(self.file, {}, every, self.notes.append, lambda: self.now)
        self.resumption._write_beside = lambda work: work()  # at once: threads are others' business
        self.resumption.add("numbers", Part(self.numbers))

    def go_on(self, rng, rounds, kept):
        """Change numbers and write; what the numbers were at each checkpoint is added to ``kept``."""
        for _ in range(rounds):
            for _ in range(rng.randrange(4)):
                self.numbers.change(rng.randrange(rng.choice([4, 12])), rng.randrange(100))
            kept.append((self.numbers.numbers[:], self.numbers.extra))
            self.resumption.write_if_due()
            self.now += rng.choice([0.1, 0.4, 1.5])

    def close(self):
        self.resumption.close()

    @property
    def stands(self):
        return self.numbers.numbers, self.numbers.extra


def files_of(path):
    folder = path.with_name(f"{path.name}.pages")
    return {int(file.name) for file in folder.iterdir()} if folder.exists() else set()


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.integers(1, 60), st.integers(1, 40))
def test_whenever_the_run_ends_it_goes_on_from_its_last_checkpoint_or_the_one_before(
    tmp_path_factory, seed, ends, more
):
    path, rng = tmp_path_factory.mktemp("run") / "kept", random.Random(seed)
    kept, newest = [], ([], 0)
    for at in (ends, more):
        run = Run(path, FailingDisk(at))
        assert run.stands == newest
        with suppress(PowerLossError):
            run.go_on(rng, 40, kept)
        run.close()
        after = Run(path)
        assert after.stands in [newest, ([], 0), *kept]
        newest = after.numbers.numbers[:], after.numbers.extra
        after.close()
    run = Run(path)
    run.go_on(rng, 30, kept)
    run.resumption.write()
    run.close()
    again = Run(path)
    assert again.stands == run.stands
    assert files_of(path) <= set(read(path).pages) | set(read(path.with_name("kept.1")).pages)
    again.close()


def test_every_operation_may_be_the_last_one(tmp_path):
    """The last checkpoint but one is always there, with its pages, though later ones have begun to be written."""
    marks, at = [], 0
    while True:
        path = tmp_path / str(at) / "kept"
        path.parent.mkdir()
        run, written = Run(path, FailingDisk(at)), []
        try:
            for n in range(12):
                run.numbers.change(n % 7, n)
                run.now += 0.6
                run.resumption.write_if_due()
                run.resumption.write()
                written.append((run.numbers.numbers[:], run.numbers.extra))
        except PowerLossError:
            marks.append(len(written))
            before = (run.numbers.numbers[:], run.numbers.extra)
            run.close()
            again = Run(path)
            assert again.stands in [before, written[-1] if written else ([], 0)]
            again.close()
            at += 1
            continue
        run.close()
        break
    assert at > 60
    assert marks == sorted(marks)


def test_only_what_changed_is_written_and_the_rest_stays_where_it_is(tmp_path):
    run = Run(tmp_path / "kept", page_bytes=paging.AT_ONCE // 4)
    for slot in range(12):
        run.numbers.change(slot, 1)
    run.resumption.write()
    first = files_of(run.file.path)
    assert len(first) == 4, "all that changed fits: there is no log"
    run.now += 10.0
    run.numbers.change(0, 2)
    run.resumption.write()
    run.resumption.write()
    assert len(files_of(run.file.path) & first) == 3
    run.close()


def test_no_more_pages_are_written_than_their_rate_allows_and_each_comes_round(tmp_path):
    run = Run(tmp_path / "kept", every=10.0, page_bytes=RATE)  # a page a second
    written = []
    add = run.file.add
    run.file.add = lambda state: [add(state), written.append((run.now, "page" in state))][0]
    for _ in range(2000):
        for slot in range(0, 60, SLOTS):
            run.numbers.change(slot, 1)
        run.resumption.write_if_due()
        run.now += 0.05
    times = [when for when, is_page in written if is_page]
    assert min(np.diff(times)) > 0.9
    assert 80 < len(times) < 102, "changed all the time, they are written all the time"
    logs = [log for log in run.resumption._pagers["numbers"]._logs if log[2] > log[1]]
    assert len(logs) <= 4, "20 pages come round in 20 s, two checkpoints"
    stands = run.stands
    run.resumption.write()
    run.close()
    again = Run(tmp_path / "kept")
    assert again.stands == stands
    again.close()


def test_while_nothing_can_be_written_the_log_takes_no_more_than_its_share_and_then_all_is_whole_again(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(paging, "MOST_LOG", 100_000)  # 100 changes
    monkeypatch.setattr(paging, "MOST_SHARE", 0.0)
    is_full = False
    run, rng = Run(tmp_path / "kept", FailingDisk(is_full=lambda: is_full)), random.Random(1)
    run.go_on(rng, 40, [])
    is_full = True
    for _ in range(500):
        run.go_on(rng, 1, [])
        assert run.numbers.log_bytes <= 104_000
    is_full = False
    run.go_on(rng, 40, [])
    run.resumption.write()
    assert run.notes[0].endswith("No space left on device")
    assert run.notes[-1].startswith("checkpoints are written again")
    run.close()
    again = Run(tmp_path / "kept")
    assert again.stands == run.stands
    again.close()


@pytest.mark.parametrize("harm", ["gone", "cut", "empty", "another"])
def test_a_page_that_is_not_what_it_was_makes_the_checkpoint_useless_and_the_one_before_is_taken(tmp_path, harm):
    run = Run(tmp_path / "kept", page_bytes=paging.AT_ONCE // 4)
    run.numbers.change(0, 1)
    run.resumption.write()
    stands = [*run.stands[0]], run.stands[1]
    run.now += 10.0
    run.numbers.change(0, 2)
    run.resumption.write()
    run.close()
    (page,) = read(tmp_path / "kept").pages
    path = tmp_path / "kept.pages" / str(page)
    if harm == "gone":
        path.unlink()
    else:
        content = path.read_bytes()
        path.write_bytes({"cut": content[:-1], "empty": b"", "another": content[:-40] + bytes(40)}[harm])
    again = Run(tmp_path / "kept")
    assert again.stands == stands
    assert "is not whole: " in again.notes[0]
    assert "going on from the one before it" in again.notes[0]
    again.close()


@pytest.mark.parametrize(
    "forge",
    [
        lambda state: state | {"numbers.since": np.array([-1])},
        lambda state: state | {"numbers.since": np.array([99])},
        lambda state: state | {"numbers.since": np.zeros((1, 1), np.int64)},
        lambda state: state | {"numbers.files": np.array([77])},
        lambda state: state | {"numbers.files": np.array([1.0])},
        lambda state: state | {"numbers.logs": np.array([[1, 2, 1]])},
        lambda state: state | {"numbers.logs": np.array([[77, 0, 1]])},
        lambda state: state | {"numbers.logs": np.array([[1, -5, 2**62]])},
        lambda state: state | {"numbers.logs": np.array(3)},
        lambda state: state | {"numbers.changes": np.array([-1])},
        lambda state: state | {"numbers.changes": np.array([2**63 - 1])},
        lambda state: {name: array for name, array in state.items() if name != "numbers.changes"},
    ],
)
def test_forged_numbers_of_pages_and_logs_are_refused_in_one_line(tmp_path, forge):
    run = Run(tmp_path / "kept")
    run.numbers.change(0, 1)
    run.resumption.write()
    run.close()
    saved = read(tmp_path / "kept")
    file = CheckpointFile(tmp_path / "kept")
    file.load()
    file.write(saved._replace(state=forge(dict(saved.state))))
    file.close()
    with pytest.raises(CheckpointError, match="does not fit"):
        Run(tmp_path / "kept")


def test_a_pager_takes_part_in_no_small_state(tmp_path):
    """What is no page and no log stands in the checkpoint itself."""
    file = CheckpointFile(tmp_path / "kept")
    numbers = Numbers()
    pager = Pager(numbers, file)
    numbers.change(0, 7)
    state, needed = pager.checkpoint_work(0.0)()
    assert state["extra"].tolist() == [7]
    assert needed == state["files"].tolist()
    file.close()

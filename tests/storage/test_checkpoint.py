import hashlib
import json
import os
import struct
import subprocess
import sys
from contextlib import suppress
from itertools import chain, combinations, count, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamforest.detectors.isolation_forest import new_records
from streamforest.judging.harness import new_harness
from streamforest.protocols import VERDICT_DTYPE
from streamforest.storage import checkpoint
from streamforest.storage.checkpoint import (
    MAGIC,
    VERSION,
    CheckpointError,
    CheckpointFile,
    Disk,
    Saved,
    as_blocks,
    read,
)


def saved(n):
    """A checkpoint that can be told from others."""
    return Saved({"SOURCE": "a.csv"}, {"n": np.array([n]), "more": np.arange(3.0)})


def number(found):
    return None if found is None else int(found.state["n"][0])


class QuickDisk(Disk):
    """A disk that is asked to hurry: nobody pulls its plug."""

    def sync(self, descriptor):
        pass

    def sync_folder(self, folder):
        pass


def loaded(path):
    file = CheckpointFile(path)
    try:
        return number(file.load()[0])
    finally:
        file.close()


def written(path, *numbers):
    file = CheckpointFile(path, QuickDisk())
    for n in numbers:
        file.write(saved(n))
    file.close()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.checkpoint"


# the format


@settings(deadline=None)
@given(
    st.dictionaries(
        st.text(max_size=5),
        st.tuples(
            st.sampled_from(["f8", "f4", "i8", "i1", "?", "u1", ">f8"]),
            st.lists(st.integers(0, 3), max_size=3),
            st.data(),
        ),
        max_size=4,
    )
)
def test_all_arrays_come_back_with_the_same_bits(tmp_path_factory, arrays):
    path = tmp_path_factory.mktemp("checkpoint") / "file"
    state = {}
    for name, (kind, shape, data) in arrays.items():
        dtype = np.dtype(kind)
        size = int(np.prod(shape)) * dtype.itemsize
        raw = data.draw(st.binary(min_size=size, max_size=size))
        state[name] = np.frombuffer(raw, np.uint8).view(dtype).reshape(shape) if size else np.zeros(shape, dtype)
    path.write_bytes(b"".join(as_blocks(Saved({"a": "b"}, state))))
    found = read(path)
    assert found.fingerprint == {"a": "b"}
    assert list(found.state) == list(state)
    for name, array in state.items():
        assert found.state[name].dtype == array.dtype
        assert found.state[name].shape == array.shape
        assert found.state[name].tobytes() == array.tobytes()
        assert found.state[name].flags.writeable


@pytest.mark.parametrize("records", [new_records(2), new_harness(2), np.zeros(3, VERDICT_DTYPE)])
def test_records_within_records_come_back(path, records):
    records.view(np.uint8)[:] = np.arange(records.nbytes) % 251
    path.write_bytes(b"".join(as_blocks(Saved({}, {"records": records}))))
    found = read(path).state["records"]
    assert found.dtype == records.dtype
    assert found.tobytes() == records.tobytes()


@pytest.mark.parametrize("array", [np.array([print]), np.array(["text"]), np.zeros(2, np.dtype("i1,i8", align=True))])
def test_what_could_hold_code_or_has_no_fixed_size_is_not_kept(array):
    with pytest.raises(ValueError, match="cannot be kept"):
        as_blocks(Saved({}, {"a": array}))


def test_every_flipped_bit_and_every_cut_is_found_out(path):
    whole = b"".join(as_blocks(saved(1)))
    for at in range(len(whole)):
        for content in (whole[:at], whole[:at] + bytes([whole[at] ^ (1 << at % 8)]) + whole[at + 1 :]):
            path.write_bytes(content)
            with pytest.raises(CheckpointError):
                read(path)


def forged(header, body=b"", version=VERSION):
    content = struct.pack("<8sII", MAGIC, version, len(header)) + header + body
    return content + hashlib.sha256(content).digest()


shapes = st.lists(st.integers(-2, 2**70) | st.floats() | st.none(), max_size=3)
types = st.recursive(
    st.sampled_from(["<f8", "|O", "O", "<U5", "|V8", "<M8[s]", "", "f8,f8", "<f99"]) | st.none(),
    lambda inner: st.lists(st.tuples(st.text(max_size=2), inner, shapes), max_size=2),
    max_leaves=4,
)


@settings(deadline=None)
@given(st.lists(st.tuples(st.text(max_size=3), shapes, types), max_size=2) | st.none() | st.text(max_size=3))
def test_a_forged_header_is_refused_and_takes_no_memory(tmp_path_factory, arrays):
    path = tmp_path_factory.mktemp("checkpoint") / "file"
    path.write_bytes(forged(json.dumps({"fingerprint": {}, "arrays": arrays}).encode()))
    try:
        found = read(path)
    except CheckpointError:
        return
    assert sum(array.nbytes for array in found.state.values()) == 0


@pytest.mark.parametrize(
    "header", [b"", b"[", b"[]", b"{}", b"[" * 100_000, b"\xff", b'{"fingerprint": 3, "arrays": []}']
)
def test_a_header_that_is_no_header_is_refused(path, header):
    path.write_bytes(forged(header))
    with pytest.raises(CheckpointError, match="damaged"):
        read(path)


def test_a_later_version_is_refused_and_an_earlier_one_is_brought_up(path, monkeypatch):
    header = json.dumps({"fingerprint": {"SOURCE": "a"}, "arrays": []}).encode()
    path.write_bytes(forged(header, version=VERSION + 1))
    with pytest.raises(CheckpointError, match="written by a later version"):
        read(path)
    monkeypatch.setattr(checkpoint, "VERSION", VERSION + 2)
    monkeypatch.setitem(checkpoint.MIGRATIONS, VERSION, lambda found: found._replace(fingerprint={"a": "1"}))
    monkeypatch.setitem(
        checkpoint.MIGRATIONS, VERSION + 1, lambda found: found._replace(fingerprint={**found.fingerprint, "b": "2"})
    )
    path.write_bytes(forged(header))
    assert read(path).fingerprint == {"a": "1", "b": "2"}


@pytest.mark.parametrize("version", [0, 1])
def test_a_version_that_no_step_leads_on_from_is_refused_with_what_to_do(path, version):
    path.write_bytes(forged(b"no header of this version", version=version))
    said = (
        rf"^\S+ was written by an earlier version of this program \(format {version}, this is {VERSION}\); move it away"
    )
    with pytest.raises(CheckpointError, match=said):
        loaded(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe_and_a_folder_are_no_checkpoints(path):
    os.mkfifo(path)
    with pytest.raises(CheckpointError, match="move it away"):
        loaded(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(CheckpointError, match="move it away"):
        loaded(path)


# the last two


def test_the_last_two_are_kept_and_only_their_owner_can_read_them(path):
    assert loaded(path) is None
    written(path, 1, 2, 3)
    assert number(read(path)) == 3
    assert number(read(path.with_name(f"{path.name}.1"))) == 2
    if os.name == "posix":
        assert path.stat().st_mode & 0o777 == 0o600


def test_a_damaged_newest_gives_way_to_the_one_before_and_is_told(path):
    written(path, 1, 2)
    path.write_bytes(path.read_bytes()[:-1])
    file = CheckpointFile(path)
    found, note = file.load()
    assert number(found) == 1
    assert "run.checkpoint is damaged: its checksum is wrong: going on from the one before it" in note
    file.write(saved(3))  # which must not push the good one out before it is there itself
    file.close()
    assert loaded(path) == 3
    assert loaded(path.with_name(f"{path.name}.1")) == 1


def test_two_damaged_ones_are_never_taken_for_a_fresh_start(path):
    written(path, 1, 2)
    for name in (path, path.with_name(f"{path.name}.1")):
        name.write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"is empty; .*\.1 is empty; move it away"):
        loaded(path)


def test_a_missing_newest_is_what_a_crash_between_two_renames_leaves(path):
    written(path, 1, 2)
    path.unlink()
    assert loaded(path) == 1


# power loss


class PowerLossError(BaseException):
    """All ends here."""


class FaultyDisk(QuickDisk):
    """A disk of which one operation fails, is torn, or is the last one before the power goes."""

    def __init__(self, at, how):
        self._left, self._how = at, how
        self.is_done = False

    def _comes_here(self):
        self._left -= 1
        return self._left == -1

    def _fail(self):
        self.is_done = True
        raise PowerLossError if "power" in self._how else OSError(28, "No space left on device")

    def _do(self, operation, *arguments):
        if not self._comes_here():
            return operation(*arguments)
        if self._how == "power goes after it":
            with suppress(FileNotFoundError):
                operation(*arguments)
        return self._fail()

    def create(self, path):
        return self._do(super().create, path)

    def write(self, descriptor, block):
        if not self._comes_here():
            return super().write(descriptor, block)
        if "torn" in self._how or "after" in self._how:
            super().write(descriptor, block[: len(block) // 2])
        return self._fail()

    def sync(self, descriptor):
        self._do(super().sync, descriptor)

    def close(self, descriptor):
        super().close(descriptor)  # the system closes it whatever happens
        self._do(lambda: None)

    def replace(self, old, new):
        self._do(super().replace, old, new)

    def sync_folder(self, folder):
        self._do(super().sync_folder, folder)


FAULTS = ("fails", "torn", "power goes before it", "power goes after it", "torn and power goes")


def attempt(path, n, disk):
    """Write a checkpoint; whether that was said to have worked."""
    file = CheckpointFile(path, disk)
    file.load()
    try:
        file.write(saved(n))
    except (OSError, PowerLossError):
        return False
    finally:
        file.close()
    return True


@pytest.mark.parametrize("before", [(), (1,), (1, 2)])
@pytest.mark.parametrize("how", FAULTS)
def test_whatever_operation_fails_the_newest_or_the_one_before_is_there(tmp_path, how, before):
    for at in count():
        path = tmp_path / str(at) / "checkpoint"
        path.parent.mkdir()
        written(path, *before)
        disk = FaultyDisk(at, how)
        is_written = attempt(path, 3, disk)
        allowed = {3} if is_written else {3, before[-1] if before else None}
        assert loaded(path) in allowed, at
        written(path, 4)
        assert loaded(path) == 4, at
        if not disk.is_done:
            assert at > 8
            return


@pytest.mark.parametrize(("first", "second"), [("fails", "fails"), ("torn", "torn and power goes")])
def test_also_where_another_one_fails_right_after(tmp_path, first, second):
    for n, (one, two) in enumerate(product(range(14), range(14))):
        path = tmp_path / str(n) / "checkpoint"
        path.parent.mkdir()
        written(path, 1, 2)
        newest = 3 if attempt(path, 3, FaultyDisk(one, first)) else 2
        newest = 4 if attempt(path, 4, FaultyDisk(two, second)) else newest
        assert loaded(path) in {newest, 3, 4}, (one, two)


class ForgetfulDisk(Disk):
    """A disk in memory that knows what is on it for certain, and what only might be there after a power loss."""

    def __init__(self, files, at):
        self._left = at
        self.is_done = False
        self._contents = dict(enumerate(files.values()))  # by file, as the program sees them
        self._synced = dict(self._contents)  # by file, for certain
        self._names = dict(zip(files, self._contents, strict=True))  # name -> file, for certain
        self._now = dict(self._names)  # name -> file, as the program sees them
        self._pending = []  # changes of names, not for certain yet

    def _step(self):
        if self._left == 0:
            self.is_done = True
            raise PowerLossError
        self._left -= 1

    def create(self, path):
        self._step()
        file = len(self._contents)
        self._contents[file], self._synced[file] = b"", b""
        self._change(None, path.name, file)
        return file

    def _change(self, old, new, file):
        self._pending.append((old, new, file))
        apply(self._now, old, new, file)

    def write(self, descriptor, block):
        self._step()
        part = bytes(block[: max(1, len(block) // 2)])
        self._contents[descriptor] += part
        return len(part)

    def sync(self, descriptor):
        self._step()
        self._synced[descriptor] = self._contents[descriptor]

    def close(self, descriptor):
        pass

    def replace(self, old, new):
        self._step()
        if old.name not in self._now:
            raise FileNotFoundError(old)
        self._change(old.name, new.name, self._now[old.name])

    def sync_folder(self, folder):  # noqa: ARG002 - there is only one
        self._step()
        self._names = dict(self._now)
        self._pending = []

    def after_power_loss(self):
        """All that may stand on the disk: any of the changes of names, any part of what was not synced."""
        everything = chain.from_iterable(combinations(self._pending, n) for n in range(len(self._pending) + 1))
        for changes in everything:
            names = dict(self._names)
            for change in changes:
                apply(names, *change)
            for left in (
                lambda new: new[:0],
                lambda new: new[: len(new) // 2],
                lambda new: bytes(len(new)),
                lambda new: new,
            ):
                yield {
                    name: self._synced[file] + left(self._contents[file][len(self._synced[file]) :])
                    for name, file in names.items()
                }


def apply(names, old, new, file):
    if names.get(old) == file:
        del names[old]
    names[new] = file


@pytest.mark.parametrize("before", [(1,), (1, 2)])
def test_whatever_was_not_synced_is_lost_the_newest_or_the_one_before_is_there(tmp_path, before):
    start = tmp_path / "start" / "checkpoint"
    start.parent.mkdir()
    written(start, *before)
    files = {name.name: name.read_bytes() for name in start.parent.iterdir() if name.suffix != ".lock"}
    path = tmp_path / "checkpoint"
    tried = 0
    for at in count():
        disk = ForgetfulDisk(files, at)
        file = CheckpointFile(path, disk)
        with suppress(PowerLossError):
            file.write(saved(3))
        file.close()
        for left in disk.after_power_loss():
            for name in tmp_path.glob("checkpoint*"):
                name.unlink()
            for name, content in left.items():
                (tmp_path / name).write_bytes(content)
            assert loaded(path) in ({3, before[-1]} if disk.is_done else {3}), (at, sorted(left))
            tried += 1
        if not disk.is_done:
            assert tried > 100
            return


# one run at a time


def test_a_second_one_is_refused_until_the_first_is_closed(path):
    first = CheckpointFile(path)
    with pytest.raises(CheckpointError, match="another run uses the checkpoint"):
        CheckpointFile(path)
    first.close()
    first.close()
    CheckpointFile(path).close()


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_second_one_is_refused_by_whatever_link_it_comes(path, tmp_path):
    (tmp_path / "folder").symlink_to(path.parent)
    (tmp_path / "link").symlink_to(path)
    first = CheckpointFile(path)
    first.write(saved(1))
    for other in (tmp_path / "link", tmp_path / "folder" / path.name):
        with pytest.raises(CheckpointError, match="another run uses the checkpoint"):
            CheckpointFile(other)
    first.close()


@pytest.mark.skipif(sys.platform == "win32", reason="a file that is open stays there")
def test_a_lock_file_that_was_removed_is_made_again_unless_another_run_was_quicker(path):
    first, lock = CheckpointFile(path), path.with_name(f"{path.name}.lock")
    lock.unlink()
    first.write(saved(1))
    with pytest.raises(CheckpointError, match="another run uses the checkpoint"):
        CheckpointFile(path)
    lock.unlink()
    second = CheckpointFile(path)
    for _ in range(2):
        with pytest.raises(OSError, match="another run uses the checkpoint"):
            first.write(saved(2))
    second.write(saved(3))
    assert number(second.load()[0]) == 3
    second.close()
    first.write(saved(4))
    first.close()


def test_a_lock_of_a_program_that_was_killed_is_free(path):
    code = (
        "from pathlib import Path; from streamforest.storage.checkpoint import CheckpointFile as C; "
        f"c = C(Path({str(path)!r}))"
    )
    held = subprocess.Popen(
        [sys.executable, "-c", f"{code}; print('held', flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with held:
        assert held.stdout.readline() == b"held\n"
        with pytest.raises(CheckpointError, match="another run"):
            CheckpointFile(path)
        held.kill()
    CheckpointFile(path).close()


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(CheckpointError, match=r"no checkpoint can be kept in .*: No such file"):
        CheckpointFile(tmp_path / "gone" / "checkpoint")

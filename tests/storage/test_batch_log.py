import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamforest.storage.batch_log import BatchLog, Place


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.checkpoint"


def files(path):
    return sorted(one.name for one in path.parent.iterdir())


def test_what_was_added_is_read_from_any_place_on(path):
    log = BatchLog(path)
    log.begin()
    places = log.add([b"a", b"b"])
    log.turn()
    places += log.add([b"c"])
    log.close()
    for at in range(3):
        start = Place(1, 0) if not at else places[at - 1]
        again = BatchLog(path)
        assert [*again.since(start)] == [*zip(places[at:], [b"a", b"b", b"c"][at:], strict=True)]
        again.close()


def test_after_it_is_read_a_new_file_begins(path):
    log = BatchLog(path)
    log.begin()
    log.add([b"a"])
    log.close()
    log = BatchLog(path)
    assert len([*log.since(Place(1, 0))]) == 1
    assert log.end == Place(2, 0)
    log.close()


def test_files_before_a_place_are_deleted_and_no_other(path):
    log = BatchLog(path)
    log.begin()
    for batch in (b"a", b"b", b"c"):
        log.add([batch])
        log.turn()
    path.with_name(f"{path.name}.batches.x").touch()
    log.forget_before(Place(3, 0))
    assert files(path) == [f"{path.name}.batches.{name}" for name in ("3", "4", "x")]
    log.close()


def test_a_run_that_begins_anew_begins_with_an_empty_log(path):
    for _ in range(2):
        log = BatchLog(path)
        log.begin()
        log.add([b"a"])
        log.close()
    log = BatchLog(path)
    assert [batch for _, batch in log.since(Place(1, 0))] == [b"a"]
    log.close()


@given(st.integers(0, 40), st.integers(0, 255))
def test_of_a_torn_or_damaged_file_the_whole_batches_before_it_are_read(tmp_path_factory, cut, byte):
    path = tmp_path_factory.mktemp("log") / "c"
    log = BatchLog(path)
    log.begin()
    log.add([b"first", b"second", b"third"])
    log.close()
    file = path.with_name("c.batches.1")
    content = file.read_bytes()
    file.write_bytes(content[:cut] + (bytes([byte]) if cut < len(content) else b""))
    log = BatchLog(path)
    found = [batch for _, batch in log.since(Place(1, 0))]
    assert found == [b"first", b"second", b"third"][: len(found)]
    log.close()


def test_what_does_not_get_on_the_disk_is_not_in_the_log(path, monkeypatch):
    log = BatchLog(path)
    log.begin()
    log.add([b"a"])

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        log.add([b"b"])
    monkeypatch.undo()
    assert log.add([b"c"]) == [Place(1, 2)]
    log.close()
    log = BatchLog(path)
    assert [batch for _, batch in log.since(Place(1, 0))] == [b"a", b"c"]
    log.close()

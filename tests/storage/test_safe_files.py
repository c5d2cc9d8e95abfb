import os

import pytest

from streamforest.storage.safe_files import drop_torn, hidden_name, is_moved, size_of, whole_file


def names(folder):
    return [path.name for path in folder.iterdir()]


def write(path, text, fault):
    with whole_file(path) as file:
        file.write(text)
        raise fault


def test_a_file_takes_the_place_of_another_one_only_when_it_is_whole(tmp_path):
    path = tmp_path / "page"
    path.write_bytes(b"old")
    with whole_file(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
        file.seek(0)
        assert file.read() == b"new"
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["page"]


@pytest.mark.parametrize("fault", [OSError(28, "full"), KeyboardInterrupt()], ids=["OSError", "Ctrl+C"])
def test_where_writing_fails_what_was_there_stays_and_nothing_is_left_behind(tmp_path, fault):
    path = tmp_path / "page"
    path.write_bytes(b"old")
    with pytest.raises(type(fault)):
        write(path, b"ne", fault)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["page"]


def test_a_disk_that_is_full_at_the_end_leaves_nothing(tmp_path, monkeypatch):
    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"), whole_file(tmp_path / "page") as file:
        file.write(b"new")
    assert names(tmp_path) == []


@pytest.fixture
def log(tmp_path):
    return tmp_path / "a.log"


def test_a_file_is_moved_when_its_name_leads_elsewhere(log):
    with log.open("a") as file:
        assert not is_moved(log, file.fileno())
        log.rename(log.with_suffix(".1"))
        assert is_moved(log, file.fileno())
        log.touch()
        assert is_moved(log, file.fileno())


def test_a_torn_line_is_cut_away_and_the_file_is_closed(log):
    file = log.open("a")
    file.write("whole\n")
    file.flush()
    size = size_of(file)
    os.write(file.fileno(), b"to")
    drop_torn(file, size)
    assert file.closed
    assert log.read_text() == "whole\n"


def test_a_device_is_closed_all_the_same():
    file = open(os.devnull, "w")  # noqa: PTH123, SIM115 - a device
    drop_torn(file, 0)
    assert file.closed


def test_what_a_killed_run_of_the_same_number_left_is_replaced(tmp_path):
    hidden_name(tmp_path / "page").write_bytes(b"half a page")
    with whole_file(tmp_path / "page") as file:
        file.write(b"a page")
    assert [path.name for path in tmp_path.iterdir()] == ["page"]
    assert (tmp_path / "page").read_bytes() == b"a page"

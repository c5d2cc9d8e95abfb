import os

import pytest

from streamforest.whole_file import hidden_name, whole_file


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


def test_what_others_have_under_the_hidden_name_is_not_written_over(tmp_path):
    path = tmp_path / "page"
    hidden_name(path).write_bytes(b"theirs")
    with pytest.raises(FileExistsError), whole_file(path):
        pass
    assert hidden_name(path).read_bytes() == b"theirs"

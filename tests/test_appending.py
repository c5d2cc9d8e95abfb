import os

import pytest

from streamforest.appending import drop_torn, is_moved, size_of


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.log"


def test_a_file_is_moved_when_its_name_leads_elsewhere(path):
    with path.open("a") as file:
        assert not is_moved(path, file)
        path.rename(path.with_suffix(".1"))
        assert is_moved(path, file)
        path.touch()
        assert is_moved(path, file)


def test_a_torn_line_is_cut_away_and_the_file_is_closed(path):
    file = path.open("a")
    file.write("whole\n")
    file.flush()
    size = size_of(file)
    os.write(file.fileno(), b"to")
    drop_torn(file, size)
    assert file.closed
    assert path.read_text() == "whole\n"


def test_a_device_is_closed_all_the_same():
    file = open(os.devnull, "w")  # noqa: PTH123, SIM115 - a device
    drop_torn(file, 0)
    assert file.closed

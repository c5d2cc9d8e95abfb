import os
import socket

import pytest

from streamforest.small_files import read_small_file


def test_a_file_is_read_whole_and_through_a_link(tmp_path):
    (tmp_path / "a").write_bytes(b"\r\n\x00\xff")
    (tmp_path / "link").symlink_to("a")
    assert read_small_file(tmp_path / "a") == read_small_file(tmp_path / "link", 4) == b"\r\n\x00\xff"
    with pytest.raises(OSError, match="more than 3 bytes"):
        read_small_file(tmp_path / "a", 3)


@pytest.mark.skipif(os.name == "nt", reason="no pipes with names there")
@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "socket", "link to itself", "nothing"])
def test_what_is_no_file_is_an_error_at_once(tmp_path, kind):
    path = tmp_path / "a"
    with socket.socket(socket.AF_UNIX) as listening:
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "folder":
            path.mkdir()
        elif kind == "socket":
            listening.bind(os.path.relpath(path))  # a long path does not fit
        elif kind != "nothing":
            path.symlink_to("/dev/zero" if kind == "device" else path)
        with pytest.raises(OSError):  # noqa: PT011 - the words are the system's
            read_small_file(path)

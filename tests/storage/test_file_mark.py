import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamforest.storage.file_mark import SPAN, FileMark, fits_path, mark_at, mark_of


@settings(deadline=None)
@given(before=st.binary(max_size=3 * SPAN), after=st.binary(max_size=50))
def test_a_file_fits_its_mark_however_it_grew(tmp_path_factory, before, after):
    path = tmp_path_factory.mktemp("mark") / "file"
    path.write_bytes(before)
    mark = mark_of(path)
    assert mark.length == len(before)
    with path.open("ab") as file:
        file.write(after)
    assert fits_path(mark, path)
    assert fits_path(mark, path, exactly=True) == (not after)


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=2 * SPAN), st.data())
def test_a_file_that_is_shorter_or_has_other_bytes_before_the_place_does_not_fit(tmp_path_factory, before, data):
    path = tmp_path_factory.mktemp("mark") / "file"
    path.write_bytes(before)
    mark = mark_of(path)
    shorter = data.draw(st.integers(0, len(before) - 1))
    path.write_bytes(before[:shorter])
    assert not fits_path(mark, path)
    at = data.draw(st.integers(max(0, len(before) - SPAN), len(before) - 1))
    path.write_bytes(before[:at] + bytes([before[at] ^ 1]) + before[at + 1 :])
    assert not fits_path(mark, path)


def test_an_empty_file_is_known_by_its_inode_only(tmp_path):
    path, other = tmp_path / "file", tmp_path / "other"
    path.touch()
    mark = mark_of(path)
    other.write_text("somebody else's")
    assert fits_path(mark, path)
    assert not fits_path(mark, other)


def test_a_copy_of_the_file_fits_too(tmp_path):
    path, copy = tmp_path / "file", tmp_path / "copy"
    path.write_text("lines")
    copy.write_text("lines and more")
    assert fits_path(mark_of(path), copy)


def test_a_file_that_is_open_for_appending_is_marked_and_its_place_is_kept(tmp_path):
    path = tmp_path / "file"
    path.write_text("before\n")
    with path.open("ab") as file:
        file.write(b"more\n")
        file.flush()
        mark = mark_at(file.fileno())
        assert mark.fits(file.fileno())
        file.write(b"and more\n")
        file.flush()
        assert mark.fits(file.fileno())
    assert path.read_text() == "before\nmore\nand more\n"
    assert mark.length == 12
    assert fits_path(mark, path)


def test_a_mark_without_a_digest_goes_by_the_inode(tmp_path):
    path, other = tmp_path / "file", tmp_path / "other"
    for name in (path, other):
        name.write_text("lines")
    mark = FileMark(3, path.stat().st_ino, "")
    assert fits_path(mark, path)
    assert not fits_path(mark, other)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_what_is_no_regular_file_has_no_mark_and_fits_none(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert mark_of(tmp_path / "pipe") is None
    assert mark_of(tmp_path / "gone") is None
    assert not fits_path(FileMark(0, 0, ""), tmp_path / "pipe")
    assert not fits_path(FileMark(0, 0, ""), tmp_path / "gone")

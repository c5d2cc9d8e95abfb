import os
import re

import pytest

from streamforest.views.token_file import TOKEN, kept_token, kept_tokens, new_token

needs_posix = pytest.mark.skipif(os.name != "posix", reason="needs file modes")


@pytest.fixture
def said():
    return []


@needs_posix
def test_a_missing_file_is_made_for_its_owner_only_whatever_the_umask(tmp_path, said):
    before = os.umask(0)
    try:
        token = kept_token(tmp_path / "token", said.append)
    finally:
        os.umask(before)
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "token").read_text() == f"{token}\n"
    assert said == []


def test_the_next_run_has_the_same_token(tmp_path, said):
    token = kept_token(tmp_path / "token", said.append)
    assert kept_token(tmp_path / "token", said.append) == token
    assert kept_token(tmp_path / "other", said.append) != token
    assert TOKEN.fullmatch(token)
    assert TOKEN.fullmatch(new_token())


@needs_posix
@pytest.mark.parametrize(("mode", "warnings"), [(0o600, 0), (0o640, 0), (0o644, 1), (0o604, 1)])
def test_a_file_that_every_user_can_read_is_warned_of_and_never_shown(tmp_path, said, mode, warnings):
    token = kept_token(tmp_path / "token", said.append)
    (tmp_path / "token").chmod(mode)
    assert kept_token(tmp_path / "token", said.append) == token
    assert len(said) == warnings
    assert token not in "".join(said)


@pytest.mark.parametrize("content", [b"", b"\n", b"short", b"x" * 5000, b"two words of sixteen", b"\xff\xfe" * 20])
def test_a_file_that_holds_no_token_is_refused_and_left_as_it_is(tmp_path, said, content):
    (tmp_path / "token").write_bytes(content)
    with pytest.raises(OSError, match=f"^{re.escape(str(tmp_path))}.*holds no token: it must be 16 to 200 letters"):
        kept_token(tmp_path / "token", said.append)
    assert (tmp_path / "token").read_bytes() == content


def test_a_folder_in_its_place_and_a_folder_that_is_not_there_are_told_in_one_line(tmp_path, said):
    with pytest.raises(OSError, match=r"cannot be read: Is a directory$|cannot be read: Permission denied$"):
        kept_token(tmp_path, said.append)
    with pytest.raises(OSError, match=r"^no token can be kept in .*: No such file or directory$"):
        kept_token(tmp_path / "gone" / "token", said.append)


def test_the_two_tokens_are_kept_in_files_of_their_own(tmp_path, said):
    acting, reading = kept_tokens(tmp_path / "token", said.append)
    assert acting != reading
    assert (tmp_path / "token").read_text() == f"{reading}\n"
    assert (tmp_path / "token.act").read_text() == f"{acting}\n"
    assert kept_tokens(tmp_path / "token", said.append) == (acting, reading)


@needs_posix
def test_a_named_pipe_or_a_device_is_no_token_and_holds_nobody_up(tmp_path, said):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, "/dev/zero"):
        with pytest.raises(OSError, match=r"holds no token|cannot be read"):
            kept_token(tmp_path / path, said.append)

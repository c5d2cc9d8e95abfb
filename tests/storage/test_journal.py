import threading

import pytest

from streamforest.storage import journal as module
from streamforest.storage.journal import Journal


def test_lines_are_there_after_a_restart_but_for_a_torn_one_and_not_in_a_new_journal(tmp_path):
    path = tmp_path / "kept"
    journal = Journal(path, goes_on=False)
    for line in ("a", "b é"):
        journal.add(line)
    assert path.read_text(encoding="utf-8") == "a\nb é\n"
    with path.open("ab") as file:
        file.write(b"torn")
    again = Journal(path, goes_on=True)
    assert ("a" in again, "b é" in again, "torn" in again) == (True, True, False)
    again.add("c")
    assert path.read_text(encoding="utf-8") == "a\nb é\nc\n"
    assert "a" not in Journal(path, goes_on=False)
    assert path.read_text(encoding="utf-8") == ""


def test_only_the_newest_lines_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_LINES", 10)
    journal = Journal(tmp_path / "kept", goes_on=False)
    for number in range(95):
        journal.add(str(number))
        assert len((tmp_path / "kept").read_text().splitlines()) <= 20
    assert ("94" in journal, "70" in journal) == (True, False)
    assert "94" in Journal(tmp_path / "kept", goes_on=True)


@pytest.mark.parametrize("goes_on", [True, False])
def test_where_nothing_can_be_written_it_still_remembers(tmp_path, goes_on):
    (tmp_path / "kept").mkdir()
    journal = Journal(tmp_path / "kept", goes_on=goes_on)
    journal.add("a")
    assert "a" in journal


def test_who_only_looks_does_not_wait_for_the_disk(tmp_path, monkeypatch):
    may_go, is_there = threading.Event(), threading.Event()
    journal = Journal(tmp_path / "kept", goes_on=False)
    monkeypatch.setattr(module.os, "fsync", lambda _descriptor: (is_there.set(), may_go.wait(60)))
    writer = threading.Thread(target=journal.add, args=("a",))
    writer.start()
    assert is_there.wait(60)
    assert ("a" in journal, "b" in journal) == (True, False)
    may_go.set()
    writer.join(60)
    assert not writer.is_alive()

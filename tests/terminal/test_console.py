import os
import sys

import pytest

from streamforest.terminal import console
from streamforest.terminal.console import (
    MOST_HELD,
    NOTICE_SECONDS,
    HeldLines,
    flush_or_drop,
    is_attended,
    is_terminal,
    newest_notice,
    say,
    wait_for_readers,
    with_patience,
)
from streamforest.terminal.stop import StopFlag


def test_without_a_standard_error_nothing_is_said(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stderr", None)
    say("anything")
    assert capsys.readouterr().out == ""


def test_a_message_is_one_line_whatever_a_source_put_in(capsys):
    say("refused \x1b[31mred\nreadings  7")
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "\x1b" not in err


def test_without_standard_streams_nobody_is_at_the_terminal(monkeypatch):
    for name in ("stdin", "stderr"):
        monkeypatch.setattr(sys, name, None)
    assert not is_attended()
    assert not is_terminal(None)
    assert with_patience(None, "standard output", 1.0) is None


@pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")
def test_somebody_is_there_where_both_streams_are_terminals(monkeypatch):
    ours, theirs = os.openpty()
    with os.fdopen(theirs, encoding="utf-8") as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        assert not is_attended()
        monkeypatch.setattr(sys, "stderr", terminal)
        assert is_attended()
        monkeypatch.undo()
    os.close(ours)


@pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")
def test_lines_wait_while_something_is_drawn_on_the_terminal_and_the_newest_come_in_order_afterwards(monkeypatch):
    ours, theirs = os.openpty()
    with os.fdopen(theirs, "w", encoding="utf-8") as terminal:
        for name in ("stdout", "stderr"):
            monkeypatch.setattr(sys, name, with_patience(terminal, name, 5.0))
        held = HeldLines()
        for number in range(MOST_HELD + 2):
            say(f"line {number}")
        sys.stdout.write("a point\n")
        sys.stdout.flush()
        os.write(theirs, b"drawn;")
        held.let_go()
        held.let_go()
        say("written at once")
        monkeypatch.undo()
        shown = b""
        while b"at once" not in shown:
            shown += os.read(ours, 65536)
    os.close(ours)
    words = shown.decode().replace("\r", "").splitlines()
    assert words[0] == "drawn;line 3"
    assert words[-2:] == ["a point", "written at once"]


def test_what_nobody_reads_any_more_is_dropped_and_a_stop_reaches_the_streams(monkeypatch):
    reader, writer = os.pipe()
    stop = StopFlag()
    with os.fdopen(writer, "w", encoding="utf-8") as pipe:
        stream = with_patience(pipe, "standard output", 5.0)
        monkeypatch.setattr(sys, "stdout", stream)
        wait_for_readers(stop, 0.5)
        assert (stream.stop, stream.notify, stream.patience) == (stop, say, 0.5)
        os.close(reader)
        stream.write("a line\n")
        flush_or_drop()
        monkeypatch.undo()
    stop.close()


def test_the_newest_line_is_news_for_some_seconds(monkeypatch, capsys):
    now = [1e9]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    say("saved\x1b[31m")
    assert newest_notice() == capsys.readouterr().err.rstrip() == r"saved\x1b[31m"
    say("another")
    now[0] += NOTICE_SECONDS / 2
    assert newest_notice() == "another"
    now[0] += NOTICE_SECONDS
    assert newest_notice() == ""

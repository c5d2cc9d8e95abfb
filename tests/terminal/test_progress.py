import io
import sys

from streamforest.terminal.console import say
from streamforest.terminal.progress import progress, show_bar


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_bar_is_shown_on_a_terminal_and_only_there(monkeypatch):
    for stream, shows in ((Terminal(), True), (io.StringIO(), False)):
        monkeypatch.setattr(sys, "stderr", stream)
        assert list(progress(range(4), "counting")) == [0, 1, 2, 3]
        assert ("100 %" in stream.getvalue()) == shows
        assert bool(stream.getvalue()) == shows


def test_a_line_for_people_stands_above_the_bar_and_not_behind_it(monkeypatch):
    monkeypatch.setattr(sys, "stderr", stream := Terminal())
    show_bar("counting", 1, 2)
    bar = stream.getvalue().removeprefix("\r")
    say("something else")
    show_bar("counting", 2, 2)
    say("the end")
    first, second, third, end = stream.getvalue().split("\n")
    assert first == f"\r{bar}\r{' ' * len(bar)}\rsomething else"
    assert second.startswith("\rcounting")
    assert (third, end) == ("the end", "")

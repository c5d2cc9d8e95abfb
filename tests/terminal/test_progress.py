import io
import sys

from streamforest.terminal.progress import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_bar_is_shown_on_a_terminal_and_only_there(monkeypatch):
    for stream, shows in ((Terminal(), True), (io.StringIO(), False)):
        monkeypatch.setattr(sys, "stderr", stream)
        assert list(progress(range(4), "counting")) == [0, 1, 2, 3]
        assert ("100 %" in stream.getvalue()) == shows
        assert bool(stream.getvalue()) == shows

import numpy as np
import pytest

from streamforest.figures.braille import ASCII
from streamforest.figures.canvas import Style
from streamforest.figures.ranking_text import RANK_SECONDS, RankingText
from streamforest.protocols import STREAM_VERDICT_DTYPE
from streamforest.stream_names import StreamNames
from streamforest.verdicts.counts import RunCounts
from streamforest.verdicts.ranking import StreamRanking


class Streams:
    """A picture of many streams, of which some have an anomaly at their end."""

    def __init__(self, n=40, **options):
        self.now = 0.0
        self.names = StreamNames()
        self.keys = [f"pump {number}" for number in range(n)]
        self.ranking = StreamRanking(self.names)
        self.counts = RunCounts(0.001, clock=lambda: self.now, names=self.names)
        self.points = 0
        self.figure = RankingText(self.ranking, self.status, clock=lambda: self.now, **options)
        for _ in range(30):
            self.add()

    def status(self):
        return self.counts.status("pumps.csv", "isolation-forest", (), 1)

    def add(self, *anomalous):
        verdicts = np.zeros(len(self.keys), STREAM_VERDICT_DTYPE)
        verdicts["stream"] = self.names.numbers_of(self.keys)
        verdicts["index"], verdicts["time"] = self.points, np.nan
        verdicts["value"] = 10 + np.sin(self.points + np.arange(len(self.keys)))
        verdicts["p_value"], verdicts["expected"], verdicts["lower"], verdicts["upper"] = 0.5, 10, 8, 12
        for number in anomalous:
            verdicts["is_anomaly"][number], verdicts["reason"][number] = True, 1
            verdicts["value"][number], verdicts["p_value"][number], verdicts["episode"][number] = 50, 1e-5, 1
        self.points += 1
        self.ranking.write(verdicts)
        self.counts.add(verdicts)
        self.now += RANK_SECONDS

    def lines(self, columns=120, rows=30):
        return self.figure.draw(columns, rows).lines()


@pytest.mark.parametrize(("columns", "rows"), [(40, 10), (80, 24), (200, 50)])
def test_the_worst_stream_comes_first_with_its_state_and_reason(columns, rows):
    streams = Streams()
    streams.add(7)
    lines = streams.lines(columns, rows)
    first = next(line for line in lines[2:] if "pump" in line)
    assert first.startswith("▲ pump 7 ")
    assert "pump 7 is anomalous" in "\n".join(lines[:2])
    if columns >= 80:
        assert "anomalous" in first
        assert "1 episode" in first
        assert any("\u2801" <= sign <= "\u28ff" for sign in first)
    if columns >= 120:
        assert "spike: 50, expected 10 ± 2" in first


def test_the_keys_go_through_the_streams_and_back_to_the_worst():
    streams = Streams()
    streams.add(7)
    shown = [line for line in streams.lines()[4:] if line[2:].startswith("pump")]
    streams.figure.command("forward")
    after = [line for line in streams.lines()[4:] if line[2:].startswith("pump")]
    assert len(shown) + len(after) == 40
    assert "streams 26 to 40" in streams.lines()[1]
    streams.figure.command("forward")
    assert "streams 26 to 40" in streams.lines()[1]
    streams.figure.command("last-anomaly")
    assert "pump 7" in streams.lines()[4]


def test_a_paused_ranking_keeps_its_order_and_counts_what_came():
    streams = Streams()
    streams.add(7)
    streams.lines()
    streams.figure.command("pause")
    streams.add(9)
    lines = streams.lines()
    assert "paused, 40 new" in lines[0]
    assert lines[4].startswith("▲ pump 7 ")
    streams.figure.command("pause")
    streams.now += RANK_SECONDS
    assert "pump 9" in "\n".join(streams.lines()[4:6])


def test_before_the_first_point_it_waits_and_in_ascii_all_signs_are():
    names = StreamNames()
    counts = RunCounts(0.001, names=names)
    figure = RankingText(StreamRanking(names), lambda: counts.status("s", "d", (), 1))
    assert "waiting for the first point" in figure.draw(80, 24).lines()[1]
    streams = Streams(glyphs=ASCII)
    streams.add(3)
    assert "\n".join(streams.lines()).isascii()
    streams.figure.command("help")
    assert "the worst streams again" in "\n".join(streams.lines())


def test_an_anomalous_point_is_in_colour_in_its_line():
    streams = Streams()
    streams.add(7)
    streams.lines()
    canvas = streams.figure.draw(120, 30)
    assert (canvas.styles[4, 24:54] == Style.ANOMALY).any()

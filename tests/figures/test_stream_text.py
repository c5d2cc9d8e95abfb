import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamforest.detectors.z_score import ZScoreDetector
from streamforest.figures.braille import ASCII, BLOCKS, BRAILLE
from streamforest.figures.canvas import SHADED, Style, columns_of
from streamforest.figures.stream_text import StreamText
from streamforest.protocols import REASONS, VERDICT_DTYPE
from streamforest.verdicts.counts import RunCounts
from streamforest.verdicts.history import History
from tests.pictures import ahead_of

NOON = 1714564800.0  # 2024-05-01T12:00:00Z
SIZES = [(40, 10), (80, 24), (120, 30), (200, 50), (400, 100)]


class Stream:
    """A picture with a real run's parts behind it."""

    def __init__(self, n=0, timed=True, capacity=2000, **options):
        self.history, self.counts = History(capacity), RunCounts(0.001, clock=lambda: 0.0)
        self.detector = ZScoreDetector(0.001)
        self.n, self.timed = 0, timed
        self.figure = StreamText(self.history, self.status, clock=lambda: 0.0, **options)
        if n:
            self.add(np.random.default_rng(1).normal(20.0, 1.0, n))

    def status(self):
        return self.counts.status("readings.csv", "z-score", ("z-score",), 1)

    def add(self, values):
        values = np.asarray(values, dtype=np.float64)
        times = NOON + np.arange(self.n, self.n + len(values)) if self.timed else np.full(len(values), np.nan)
        verdicts = self.detector.update_many(values, times)
        verdicts["time"] = times
        self.write(verdicts)

    def write(self, verdicts):
        self.history.write(verdicts)
        self.counts.add(verdicts)
        self.n += len(verdicts)

    def draw(self, columns=80, rows=24, *notice, **options):
        return self.figure.draw(columns, rows, *notice, **options)

    def text(self, columns=80, rows=24):
        return "\n".join(self.draw(columns, rows).lines())


def styled(canvas, style):
    """Rows and columns of the cells of a style."""
    return np.argwhere(canvas.styles % SHADED == style)


@pytest.mark.parametrize(("columns", "rows"), SIZES)
@pytest.mark.parametrize("glyphs", [BRAILLE, BLOCKS, ASCII])
def test_all_that_a_person_wants_is_there_at_every_size(columns, rows, glyphs):
    stream = Stream(300, glyphs=glyphs)
    stream.add([60.0])
    stream.add(np.full(2, 20.0))
    canvas = stream.draw(columns, rows)
    text = "\n".join(canvas.lines())
    assert "anomalous since 12:05:00" in text
    assert glyphs.marks[0] in text
    assert len(styled(canvas, Style.VALUE)) > columns / 6
    if rows >= 24:
        assert "readings.csv" in text
        assert "spike: 60, expected" in text
        assert "points 303" in text
        assert "asked for 0.1 %" in text
        assert "newest first)" in text
        assert "score" in text
        assert len(styled(canvas, Style.SCORE)) > 0
    if glyphs is ASCII:
        assert text.isascii()


def test_before_the_first_point_the_picture_says_that_it_waits():
    assert "waiting for the first point" in Stream().text()


def test_an_anomaly_has_a_sign_where_its_value_stands_and_another_one_below_what_was_expected():
    stream = Stream(300)
    stream.add([60.0, *np.full(20, 20.0), -20.0, *np.full(20, 20.0)])
    canvas = stream.draw(120, 40)
    signs = {
        chr(canvas.codes[row, column]): row
        for row, column in styled(canvas, Style.ANOMALY)
        if column < 70 and chr(canvas.codes[row, column]) in "▲▼" and row > 2
    }
    assert signs["▲"] < signs["▼"]


def test_a_wild_value_is_at_the_edge_with_its_number_and_the_rest_keeps_its_height():
    stream = Stream(300)
    stream.add([1e6, *np.full(30, 20.0)])
    assert "▲1,000,000" in stream.text()
    rows = styled(stream.draw(), Style.VALUE)[:, 0]
    assert len(set(rows.tolist())) > 5, "the rest is not flat"


def test_the_band_is_shaded_by_a_background_or_by_a_pattern():
    shaded = Stream(300).draw()
    assert (shaded.styles >= SHADED).sum() > 100
    patterned = Stream(300, shades=False).draw()
    assert not (patterned.styles >= SHADED).any()
    assert "\n".join(patterned.lines()).count("░") > 50


def test_the_band_lies_where_its_numbers_are():
    stream = Stream(300)
    canvas = stream.draw(80, 40)
    rows = np.argwhere(canvas.styles >= SHADED)[:, 0]
    values = styled(canvas, Style.VALUE)[:, 0]
    assert rows.min() <= values.min() + 1
    assert rows.max() >= values.max() - 1


def test_a_view_that_is_paused_stands_still_and_counts_what_came():
    stream = Stream(300)
    stream.draw()
    stream.figure.command("pause")
    before = stream.draw().lines()
    stream.add(np.full(7, 30.0))
    after = stream.draw().lines()
    assert "paused, 7 new" in after[0]
    assert before[3:18] == after[3:18]
    stream.figure.command("pause")
    assert "live" in stream.draw().lines()[0]


def test_the_last_anomaly_is_gone_to_and_its_numbers_are_read_out():
    stream = Stream(300)
    stream.add([60.0, *np.full(900, 20.0)])
    stream.draw()
    stream.figure.command("last-anomaly")
    lines = stream.draw(110, 24).lines()
    assert "12:05:00   spike: 60, expected" in lines[-1]
    assert "threshold" in lines[-1]
    assert stream.draw(60, 24).lines()[-1].rstrip().endswith("expected 19.88 ± 3.01"), "what does not fit is not begun"
    assert any("│" in line for line in lines)


def test_the_list_of_episodes_can_be_hidden_and_stands_beside_on_a_wide_terminal():
    stream = Stream(300)
    stream.add([60.0])
    wide = stream.draw(160, 30).lines()
    assert wide[3].rstrip().endswith("newest first)")
    assert re.search(r"spike: 60  +1 point, now", wide[4]), "what does not fit is not begun"
    assert "spike: 60, expected" in stream.draw(200, 30).lines()[4]
    stream.figure.command("episodes")
    assert "newest first" not in stream.text(160, 30)
    assert "newest first" not in stream.text(80, 24)


def test_the_keys_are_shown_over_the_picture_and_hidden_again():
    stream = Stream(300)
    stream.figure.command("help")
    assert "Ctrl+C   stop the run" in stream.text()
    stream.figure.command("help")
    assert "stop the run" not in stream.text()


def test_hints_and_lines_for_people_stand_below_the_picture():
    stream = Stream(300)
    canvas = stream.draw(80, 24, "picture saved: a.png", hints=True)
    assert canvas.lines()[-1].startswith("picture saved: a.png")
    assert canvas.lines()[-2].startswith("h keys   q picture   space pause")
    for columns in (10, 40, 80, 200):
        assert columns_of(stream.figure.hint(columns)) <= columns


def test_without_times_the_axis_has_the_places_in_the_stream():
    stream = Stream(300, timed=False)
    stream.add([60.0])
    text = stream.text()
    assert "└0" in text
    assert "point 300" in text
    assert "UTC" not in text


def test_a_stream_that_falls_silent_is_said_to_be():
    now = [0.0]
    stream = Stream()
    stream.counts = RunCounts(0.001, clock=lambda: now[0])
    for second in range(20):
        now[0] = float(second)
        stream.add([1.0])
    now[0] = 80.0
    assert "no point for 61 s" in stream.text()


def test_a_stream_that_has_ended_is_said_to_have_and_no_episode_of_it_goes_on(monkeypatch):
    stream = Stream(100)
    stream.add([90.0])
    assert "1 point, now" in stream.text(120, 30)
    monkeypatch.setattr(stream.figure, "_status", lambda: stream.status()._replace(has_ended=True))
    text = stream.text(120, 30)
    assert "the stream has ended" in text
    assert "last alarm 12:01:40, spike: 90" in text
    assert not any(word in text for word in ("no point for", "anomalous since", ", now", "rate 0"))
    stream = Stream()
    monkeypatch.setattr(stream.figure, "_status", lambda: stream.status()._replace(has_ended=True))
    assert "the stream has ended" in stream.text()


values = st.lists(st.floats(width=64) | st.sampled_from([0.0, np.nan, 1e308, -1e308]), max_size=80)


@settings(deadline=None, max_examples=60)
@given(
    values,
    st.integers(1, 130),
    st.integers(1, 40),
    st.lists(st.sampled_from(["pause", "back", "narrower", "last-anomaly", "help", "episodes"]), max_size=3),
    st.sampled_from([BRAILLE, BLOCKS, ASCII]),
)
def test_any_stream_is_drawn_at_any_size(numbers, columns, rows, commands, glyphs):
    stream = Stream(glyphs=glyphs, capacity=500)
    verdicts = np.zeros(len(numbers), VERDICT_DTYPE)
    verdicts["index"] = np.arange(len(numbers))
    for place, name in enumerate(("value", "score", "threshold", "p_value", "expected", "lower", "upper", "time")):
        verdicts[name] = np.roll(numbers, place)
    verdicts["time"][~np.isfinite(verdicts["time"])] = np.nan
    verdicts["is_anomaly"] = np.arange(len(numbers)) % 5 == 3
    verdicts["episode"] = np.arange(len(numbers)) // 10 + 1
    verdicts["reason"] = verdicts["is_anomaly"] * (np.arange(len(numbers)) % len(REASONS))
    with np.errstate(all="ignore"):
        if len(verdicts):
            stream.write(verdicts)
        for command in [*commands, "live"]:
            canvas = stream.draw(columns, rows, hints=True)
            stream.figure.command(command)
    assert canvas.codes.shape == (rows, columns)
    assert all(columns_of(line) == columns for line in canvas.lines())


def test_what_is_expected_next_is_drawn_ahead_of_the_newest_point_when_it_is_asked_for():
    drawn = Stream(300)
    drawn.history.ahead = lambda steps: ahead_of(drawn.history, steps)
    plain = drawn.draw(100, 30)
    drawn.figure.command("forecast")
    canvas = drawn.draw(100, 30)
    left = drawn.figure.navigation.view
    newest = int((drawn.history.end - left.left) / left.width * 92) + 8
    line = [chr(code) for code in canvas.codes[8:18, newest + 2 : 100].ravel()]
    assert any("\u2800" < sign <= "\u28ff" for sign in line)
    drawn.figure.command("forecast")
    assert drawn.draw(100, 30).lines() == plain.lines()


def test_no_band_is_shaded_below_zero_where_no_value_was_ever_negative():
    drawn = Stream(300)
    rows = drawn.history.newest(300)
    rows["index"] += 300
    rows["value"], rows["lower"], rows["upper"] = np.abs(rows["value"] - 20.0), -400.0, 4.0
    drawn.write(rows)
    drawn.draw(100, 30)
    in_view = drawn.figure.navigation.in_view()
    assert in_view["lower"].min() == -400.0, "the numbers stay as they are"
    assert drawn.figure._limits.bottom > -100.0


@pytest.mark.parametrize(("n", "columns"), [(470, 80), (470, 200), (1_990, 100), (37, 80)])
def test_labels_below_the_picture_are_round_and_stand_at_their_points(n, columns):
    stream = Stream(n, timed=False)
    line = next(line for line in stream.draw(columns, 24).lines() if "\u2514" in line)
    labels = [(at, int(line[at + 1 :].split()[0].replace(",", ""))) for at, sign in enumerate(line) if sign == "\u2514"]
    gaps = set(np.diff([number for _, number in labels]).tolist())
    assert len(gaps) == 1
    assert str(gaps.pop()).rstrip("0") in ("1", "2", "5")
    columns_apart = np.diff([at for at, _ in labels])
    assert np.ptp(columns_apart) <= 1, "they stand where their points are"
    assert labels[-1][1] < n


def test_times_below_the_picture_are_round_too():
    stream = Stream(1_500)
    line = next(line for line in stream.draw(120, 24).lines() if line.startswith("UTC"))
    labels = [text.strip() for text in line.removeprefix("UTC").split("\u2514") if text.strip()]
    assert len(labels) > 2
    assert all(text.endswith((":00", ":30")) for text in labels)

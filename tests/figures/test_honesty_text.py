import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamforest.figures.braille import ASCII
from streamforest.figures.honesty_text import ASCII_BARS, BARS, HALF_BARS, flatness, honesty_lines, strip
from streamforest.protocols import Honesty, RateGot
from tests.figures.test_live_figure import figure  # noqa: F401 - a fixture
from tests.figures.test_stream_text import Stream

GOT = RateGot(86_377, 104, 12, 90, 0.00096, 0.0015)
HONESTY = Honesty(0.001, None, GOT, GOT._replace(scored=1_234_567, flagged=1300), (61_000,) * 19 + (75_567,), 3, None)


def test_it_says_what_was_asked_for_and_got_with_intervals_and_what_no_rate_limits():
    text = "\n".join(honesty_lines(HONESTY))
    assert "asked for    0.1 % of normal points" in text
    assert "last 24 h    0.12 %, 0.096 to 0.15 % (104 of 86,377 points)" in text
    assert "in all       0.11 %" in text
    assert "12 points marked by band or habit alone" in text
    assert "farthest from flat: 22 % more from 0.95 to 1" in text


def test_with_alarms_a_day_it_says_what_is_left_today():
    text = "\n".join(honesty_lines(HONESTY._replace(alarms_a_day=5.0, left=2)))
    assert "5 alarms a day" in text
    assert "3, 2 left" in text
    assert "none left" in "\n".join(honesty_lines(HONESTY._replace(alarms_a_day=3.0, left=0)))


@given(n=st.integers(0, 10**10), flagged=st.integers(0, 10**10), per_day=st.none() | st.floats(0.001, 1000))
def test_no_line_is_too_wide_for_a_terminal(n, flagged, per_day):
    got = RateGot(n, min(n, flagged), flagged, flagged, 0.0001234, 0.9999)
    lines = honesty_lines(Honesty(1e-6, per_day, got, got, (n,) * 20, 10**6, 0))
    assert max(map(len, lines)) <= 76


@pytest.mark.parametrize("bars", [BARS, HALF_BARS, ASCII_BARS])
def test_a_flat_strip_is_half_as_high_as_it_can_be_and_what_sticks_out_shows(bars):
    assert set(strip([500] * 20, bars)) == {bars[round(0.5 * (len(bars) - 1))]}
    assert strip([0, *[500] * 18, 5000], bars)[0] == bars[0]
    assert strip([0, *[500] * 18, 5000], bars)[-1] == bars[-1]


def test_few_points_are_too_few_to_tell():
    assert "too few" in flatness([1] * 20)
    assert honesty_lines(None) == honesty_lines(HONESTY._replace(total=GOT._replace(scored=0)))


def test_the_key_shows_it_in_the_window_and_hides_it_again(figure, monkeypatch):  # noqa: F811 - the fixture
    numbers = figure._numbers._replace(honesty=HONESTY)
    monkeypatch.setattr(figure, "_status", lambda: numbers)
    monkeypatch.setattr(figure, "_numbers", numbers)
    figure.command("help")
    figure.command("honesty")
    assert figure.refresh()
    assert "asked for" in figure.keys.get_text()
    figure.command("honesty")
    figure.refresh()
    assert figure.keys.get_text() == ""


def test_the_terminal_shows_it_in_the_signs_that_it_has():
    stream = Stream(300, glyphs=ASCII)
    status = stream.status
    stream.figure._status = lambda: status()._replace(honesty=HONESTY)
    stream.figure.command("honesty")
    text = stream.text()
    assert text.isascii()
    assert "104 of 86,377" in text
    stream.figure.command("help")
    assert "104 of 86,377" not in stream.text()

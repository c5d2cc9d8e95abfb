import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamforest.figures.canvas import (
    COVERED,
    N_STYLES,
    SHADED,
    Canvas,
    Style,
    columns_of,
    cut,
    palette,
    width_of,
)


def test_text_is_cut_at_the_edge_and_at_its_width():
    canvas = Canvas(8, 2)
    assert canvas.write(0, 5, "abcdef", Style.STRONG) == 8
    assert canvas.write(1, 0, "abcdef", width=3) == 3
    canvas.write(2, 0, "below")
    canvas.write(-1, 0, "above")
    assert canvas.lines() == ["     abc", "abc     "]
    assert canvas.styles[0].tolist() == [0] * 5 + [Style.STRONG] * 3


def test_wide_characters_cover_two_cells_and_combining_ones_none():
    canvas = Canvas(5, 1)
    assert canvas.write(0, 0, "温e\u0301x度") == 4
    assert canvas.codes[0].tolist() == [ord("温"), COVERED, ord("e"), ord("x"), ord(" ")]
    assert canvas.lines() == ["温ex "]
    assert [width_of(sign) for sign in ("a", "ä", "温", "\u0301", "⣿")] == [1, 1, 2, 0, 1]


@given(st.text(), st.integers(0, 12))
def test_a_cut_text_takes_no_more_columns_than_it_may(text, columns):
    assert columns_of(cut(text, columns)) <= columns
    assert cut(text, columns) == text or columns_of(text) > columns


@given(st.text(max_size=30), st.integers(-3, 12), st.integers(-2, 4))
def test_any_text_anywhere_leaves_a_canvas_of_its_size(text, column, row):
    canvas = Canvas(9, 3)
    canvas.write(row, column, text)
    assert all(columns_of(line) == 9 for line in canvas.lines())


def test_a_rectangle_is_emptied():
    canvas = Canvas(4, 3)
    for row in range(3):
        canvas.write(row, 0, "abcd", Style.VALUE)
    canvas.clear(1, 1, 2, 2)
    canvas.clear(-5, -5, 2, 2)
    assert canvas.lines() == ["abcd", "a  d", "a  d"]
    assert canvas.styles[1].tolist() == [Style.VALUE, 0, 0, Style.VALUE]


@pytest.mark.parametrize("colours", [256, 16, 0])
@pytest.mark.parametrize("is_dark", [True, False])
def test_every_palette_tells_an_anomaly_from_the_rest(colours, is_dark):
    sequences = palette(colours, is_dark)
    assert len(sequences) == N_STYLES
    assert all(one.startswith("\x1b[0") and one.endswith("m") for one in sequences)
    assert sequences[Style.ANOMALY] not in {sequences[style] for style in Style if style is not Style.ANOMALY} or (
        not colours and sequences[Style.ANOMALY] == sequences[Style.STRONG]
    )


def test_the_band_has_a_background_in_256_colours_only_and_no_colour_is_sent_without():
    assert "48;5;" in palette(256, True)[SHADED]
    assert palette(256, True)[SHADED] != palette(256, False)[SHADED]
    assert palette(16, True)[SHADED] == palette(16, True)[Style.TEXT]
    codes = {code for one in palette(0, True) for code in one[2:-1].split(";")}
    assert codes <= {"0", "1", "2"}


def test_a_new_canvas_is_empty():
    assert np.all(Canvas(3, 2).codes == ord(" "))

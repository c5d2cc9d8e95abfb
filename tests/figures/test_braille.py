import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamforest.figures.braille import ASCII, BLOCKS, BRAILLE, characters, places_of, raster, trace


def shown(drawn, glyphs):
    return ["".join(map(chr, row)) for row in characters(np.array(drawn, dtype=bool), glyphs).tolist()]


@pytest.mark.parametrize(
    ("dot", "sign"),
    [((0, 0), "⠁"), ((1, 0), "⠂"), ((2, 0), "⠄"), ((3, 0), "⡀"), ((0, 1), "⠈"), ((1, 1), "⠐"), ((3, 1), "⢀")],
)
def test_each_dot_of_a_braille_character_is_where_unicode_has_it(dot, sign):
    drawn = np.zeros((4, 2), dtype=bool)
    drawn[dot] = True
    assert shown(drawn, BRAILLE) == [sign]


def test_all_dots_and_no_dots():
    assert shown(np.ones((4, 4)), BRAILLE) == ["⣿⣿"]
    assert shown(np.zeros((4, 2)), BRAILLE) == [" "]


def test_half_blocks_and_ascii_have_an_upper_and_a_lower_dot():
    drawn = [[0, 1, 0, 1], [0, 0, 1, 1]]
    assert shown(drawn, BLOCKS) == [" ▀▄█"]
    assert shown(drawn, ASCII) == [" '.:"]
    for glyphs in (BRAILLE, BLOCKS, ASCII):
        assert len(glyphs.table) == 2 ** (glyphs.across * glyphs.down)


def test_points_far_apart_are_joined_and_a_missing_one_interrupts_the_line():
    places = np.array([0.5, 4.5, 8.5, 9.5])
    line = trace(np.array([0.0, 4.0, np.nan, 1.0]), places, 10)
    assert line.low.tolist()[:5] == [0, 1, 2, 3, 4]
    assert np.isnan(line.high[5:9]).all()
    assert line.low[9] == 1


def test_of_many_points_in_a_column_the_least_and_the_greatest_are_kept():
    values = np.zeros(1000)
    values[503], values[507] = 9, -9
    line = trace(values, (np.arange(1000) + 0.5) / 100, 10)
    assert (line.low[5], line.high[5]) == (-9, 9)
    assert (line.low[4], line.high[4]) == (0, 0)


def test_a_jump_is_drawn_as_an_upright_line_without_a_hole():
    line = trace(np.array([0.0, 9.0]), np.array([0.5, 1.5]), 2)
    drawn = raster(line, 0.0, 10.0, 10)
    assert drawn[:, 0].tolist() == [False] * 9 + [True]
    assert drawn[:, 1].tolist() == [False] + [True] * 9


numbers = st.floats(allow_nan=True, allow_infinity=True)


@given(st.lists(numbers, max_size=40), st.integers(1, 30), st.integers(1, 12), st.floats(0.01, 100))
def test_whatever_is_drawn_stays_within_and_each_finite_point_has_a_dot(values, dots, rows, step):
    values = np.array(values, dtype=np.float64)
    places = (np.arange(len(values)) + 0.5) * step
    with np.errstate(all="ignore"):
        line = trace(values, places, dots)
        drawn = raster(line, -10.0, 10.0, rows)
    assert drawn.shape == (rows, dots)
    for value, place in zip(values, places, strict=True):
        if np.isfinite(value) and place < dots:
            row = places_of(np.array([value]), -10.0, 10.0, rows)[0]
            assert drawn[row, int(place)]


def test_what_lies_outside_stands_at_the_edge():
    assert places_of(np.array([11.0, 10.0, 0.0, -5.0, np.inf, -np.inf]), 0.0, 10.0, 5).tolist() == [0, 0, 4, 4, 0, 4]

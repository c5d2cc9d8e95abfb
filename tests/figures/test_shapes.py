from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamforest.figures.shapes import NOTHING, boxes, merge, ribbon, runs, steps
from streamforest.verdicts.history import Columns


def test_stretches_are_found_and_merged():
    starts, ends = runs(np.array([0, 1, 1, 0, 1, 2, 0, 3]))
    assert (starts.tolist(), ends.tolist()) == ([1, 5, 7], [4, 5, 7])
    left, right = merge(np.array([0.0, 1.0, 5.0]), np.array([2.0, 1.5, 6.0]))
    assert (left.tolist(), right.tolist()) == ([0.0, 5.0], [2.0, 6.0])


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 9)), max_size=20))
def test_merged_stretches_cover_the_same_places_once(stretches):
    stretches.sort()
    left = np.array([start for start, _ in stretches], dtype=float)
    right = left + [length for _, length in stretches]
    covered = {place for start, length in stretches for place in range(start, start + length + 1)}
    pieces = list(zip(*merge(left, right), strict=True))
    assert {place for a, b in pieces for place in range(int(a), int(b) + 1)} == covered
    assert all(first[1] < second[0] for first, second in pairwise(pieces))


def test_a_ribbon_is_cut_where_an_edge_is_unknown():
    x = np.arange(5.0)
    low = np.array([0.0, 0.0, np.nan, 0.0, 0.0])
    assert (ribbon(x, low, low + 1.0).codes == 1).sum() == 2
    assert ribbon(x, low * np.nan, low) is NOTHING


def test_boxes_are_closed_rectangles():
    polygons = boxes(np.array([0.0, 5.0]), np.array([1.0, 7.0]), 0.2, 0.8).to_polygons()
    assert [polygon[:, 0].min() for polygon in polygons] == [0.0, 5.0]
    assert [polygon[:, 1].max() for polygon in polygons] == [0.8, 0.8]


def test_columns_reach_to_where_the_one_before_ends():
    column = Columns(np.array([0.0, 1.0]), np.array([0.0, 5.0]), np.array([1.0, 6.0]))
    _, low, high = steps(column, 0.5, 0.0)
    assert low.tolist() == [0.0, 0.0, 1.0, 1.0]
    assert high.tolist() == [1.0, 1.0, 6.0, 6.0]

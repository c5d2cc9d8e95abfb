import re

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streamforest.program.summary.pictures import drawing_of
from streamforest.verdicts.episodes import EpisodeFold
from tests.pages import page_of, stream


def test_the_most_unusual_episodes_have_a_drawing_each_as_far_as_they_are_kept():
    page = page_of(stream(3000, range(10, 3000, 100)), capacity=1000)
    drawn = re.findall(r"<h3>spike<span>episode (\d+)</span></h3><svg", page)
    assert drawn == ["21", "22", "23", "24", "25", "26"]  # the p-values of the test grow with the number


@given(
    st.lists(st.floats() | st.sampled_from([1e308, -1e308]), min_size=1, max_size=30),
    st.integers(0, 29),
)
@settings(deadline=None)
def test_a_drawing_stays_inside_its_frame_whatever_the_numbers(values, place):
    rows = stream(len(values), [min(place, len(values) - 1)])
    rows["value"] = values
    rows["lower"], rows["upper"] = -np.inf, np.inf
    fold = EpisodeFold()
    ((_, episode),) = fold.add(rows)[:1]
    drawing = drawing_of(rows, episode)
    assert "nan" not in drawing
    assert "inf" not in drawing
    for x, y in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", drawing):
        assert 0 <= float(x) <= 320
        assert 0 <= float(y) <= 110


def test_a_gap_in_the_values_is_a_gap_in_the_line():
    rows = stream(50, [25])
    rows["value"][10] = np.nan
    ((_, episode),) = EpisodeFold().add(rows)[:1]
    line = re.search(r'class="value" d="([^"]*)"', drawing_of(rows, episode))[1]
    assert line.count("M") == 2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from streamforest.features.sorting import inner_extremes, ordered, sort

numbers = st.sampled_from([np.float32, np.float64]).flatmap(
    lambda kind: arrays(kind, st.integers(0, 700), elements=st.floats(width=32, allow_nan=False))
)


@given(numbers)
def test_numbers_are_in_order_and_what_they_come_from_is_left_as_it_was(values):
    before = values.copy()
    found = ordered(values)
    np.testing.assert_array_equal(found, np.sort(before))
    assert found.dtype == before.dtype
    assert values.tobytes() == before.tobytes()
    sort(values)
    assert values.tobytes() == found.tobytes()


@pytest.mark.parametrize("n", [0, 1, 2, 24, 512])
def test_numbers_that_are_in_order_or_the_other_way_round_are_sorted(n):
    values = np.arange(n, dtype=np.float64)
    np.testing.assert_array_equal(ordered(values[::-1]), values)
    np.testing.assert_array_equal(ordered(values), values)


@given(arrays(np.float32, st.integers(9, 60), elements=st.floats(width=32, allow_nan=False, allow_infinity=False)))
def test_the_inner_extremes_leave_out_the_farthest_on_either_side(values):
    in_order = np.sort(values)
    assert inner_extremes(values, 3) == (in_order[3], in_order[-4])

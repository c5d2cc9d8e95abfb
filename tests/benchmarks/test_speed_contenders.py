import numpy as np
import pytest

from benchmarks.peers import installed
from benchmarks.speed_contenders import (
    half_space_trees,
    in_arrays,
    is_own,
    on_rows,
    one_by_one,
    refitted,
    score_and_learn,
    side_by_side,
)
from benchmarks.speed_rounds import measure


def test_the_own_ones_and_every_peer_that_is_installed_can_be_measured(model_path, stream):
    everybody = [*one_by_one(model_path), *in_arrays(model_path), *side_by_side(model_path, 2, (1, 2), 1)]
    there = [one._replace(points=min(one.points, 2)) for one in everybody if all(map(installed, one.packages))]
    costs = measure("t", there, stream, 1)
    assert [one.who for one in costs] == [one.name for one in there]
    assert all(one.median > 0.0 for one in costs)
    assert [name for name in (one.who for one in costs) if is_own(name)] == [
        "StreamDetector.update",
        "StreamDetector.update_many",
        "its forest alone",
        "its forest alone, vector by vector",
        "StreamDetectors, 2 streams, 1 thread",
        "StreamDetectors, 2 streams, 2 threads",
    ]


def test_a_forest_that_is_fitted_again_forgets_the_oldest_point(stream):
    window = stream[:8].copy()
    step = refitted(window)
    usual, far = step(float(window.mean())), step(float(window.max()) + 1000.0)
    assert usual < far
    assert np.array_equal(window, stream[:8]), "the caller's stays as it is"
    for _ in range(8):
        last = step(float(window.max()) + 1000.0)
    assert last < far, "by now it is all that it knows"


def test_as_many_rows_are_scored_as_there_are_values():
    seen = []
    sweep = on_rows(lambda rows: seen.append(rows.shape), np.zeros((3, 2)))
    sweep(np.zeros(7))
    sweep(np.zeros(2))
    assert seen == [(7, 2), (2, 2)]


def test_half_space_trees_take_any_number_of_features():
    pytest.importorskip("river")
    pipeline = half_space_trees(n_trees=3)
    score_and_learn(pipeline, ("a", "b"))(1.0)
    assert pipeline["HalfSpaceTrees"].n_trees == 3

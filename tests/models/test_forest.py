import warnings
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import IsolationForest

from streamforest.compiled import compiled
from streamforest.models.forest import NODE_DTYPE, ModelError, flatten, forest_scores, isolation, leaf
from tests.naive import forest_score, walk

EXTREMES = [np.nan, np.inf, -np.inf, 0.0, -0.0, 5e-324, -5e-324, 1e-45, 1.2e-38, 1e308, -1e308, 3.4028235e38, 1.0, -1.0]


@compiled
def _walk_all(forest, vectors, leaves, scores):
    for i in range(len(vectors)):
        for t in range(forest.roots.size):
            leaves[i, t] = leaf(forest, forest.roots[t], vectors[i])
        scores[i] = isolation(forest, vectors[i])


def as_float32(rows):
    """Rows the way scikit-learn takes them in."""
    with np.errstate(over="ignore", under="ignore"):
        return np.ascontiguousarray(rows, dtype=np.float32)


def ours(forest, vectors):
    """Leaves, numbered over all trees, shape (n, n_trees), and scores, shape (n,)."""
    leaves, scores = np.empty((len(vectors), forest.roots.size), dtype=np.int64), np.empty(len(vectors))
    _walk_all(forest, vectors, leaves, scores)
    return leaves, scores


def breadth_first(tree):
    """scikit-learn's node ids, level by level: the order in which a flattened tree's nodes stand."""
    order = [0]
    for node in order:
        order += [int(child) for child in (tree.children_left[node], tree.children_right[node]) if child >= 0]
    return np.array(order)


def theirs(model, vectors):
    """What scikit-learn says: its leaves, numbered as ours, and its scores."""
    leaves, start = [], 0
    for estimator, features in zip(model.estimators_, model.estimators_features_, strict=True):
        order = breadth_first(estimator.tree_)
        place = np.empty(order.size, dtype=np.int64)
        place[order] = np.arange(order.size)
        leaves.append(start + place[estimator.tree_.apply(np.ascontiguousarray(vectors[:, features]))])
        start += order.size
    return np.column_stack(leaves), -model._score_samples(vectors)


def assert_the_same(model, rows):
    vectors = as_float32(rows)
    forest = flatten(model)
    leaves, scores = ours(forest, vectors)
    np.testing.assert_array_equal(forest_scores(forest, vectors), scores)
    their_leaves, their_scores = theirs(model, vectors)
    np.testing.assert_array_equal(leaves, their_leaves)
    np.testing.assert_array_max_ulp(scores, their_scores, maxulp=4)
    finite = np.isfinite(vectors).all(axis=1)
    if finite.any():  # the public way refuses infinities
        np.testing.assert_array_max_ulp(scores[finite], -model.score_samples(vectors[finite]), maxulp=4)


def cuts_of(model):
    """Feature and cut of every node that is no leaf."""
    found = set()
    for estimator, features in zip(model.estimators_, model.estimators_features_, strict=True):
        tree = estimator.tree_
        inner = tree.children_left >= 0
        found |= set(zip(features[tree.feature[inner]].tolist(), tree.threshold[inner].tolist(), strict=True))
    return sorted(found)


def rows_around(model, rng, base, most=None):
    """A row for each cut and each float32 and float64 step beside it, the other features drawn from ``base``."""
    cuts = cuts_of(model)
    if most is not None and len(cuts) > most:
        cuts = [cuts[i] for i in rng.choice(len(cuts), most, replace=False)]
    rows = []
    for feature, cut in cuts:
        near = np.float32(cut)
        beside = [cut, np.nextafter(cut, -np.inf), np.nextafter(cut, np.inf)]
        beside += [near, np.nextafter(near, np.float32(-np.inf)), np.nextafter(near, np.float32(np.inf))]
        for value in beside:
            row = base[rng.integers(len(base))].astype(float)
            row[feature] = value
            rows.append(row)
    return np.array(rows)


def fit(rng, features, trees, missing=0.0, **options):
    rows = rng.normal(size=(options.pop("rows", 300), features)) * 10.0 ** rng.integers(-3, 4, features)
    rows[rng.random(rows.shape) < missing] = np.nan
    forest = IsolationForest(n_estimators=trees, random_state=int(rng.integers(2**31)), **options)
    return forest.fit(rows), rows


def test_at_every_cut_of_the_production_forest_and_a_step_beside_it_all_is_as_in_scikit_learn(model):
    rng = np.random.default_rng(1)
    base = np.log1p(rng.exponential(size=(1000, model.fitted.n_features_in_)))
    assert len(cuts_of(model.fitted)) > 2000
    assert_the_same(model.fitted, rows_around(model.fitted, rng, base))


def test_with_nan_infinities_denormals_and_1e308_the_production_forest_is_as_in_scikit_learn(model):
    rng = np.random.default_rng(2)
    n = model.fitted.n_features_in_
    rows = np.log1p(rng.exponential(size=(3000, n)))
    put = rng.random(rows.shape) < rng.choice([0.1, 0.5, 1.0], 3000)[:, None]
    rows[put] = rng.choice(EXTREMES, int(put.sum()))
    assert_the_same(model.fitted, np.vstack([rows, np.repeat(EXTREMES, n).reshape(-1, n)]))


@pytest.mark.parametrize(
    ("features", "trees"), [*product(range(1, 13), (1, 2, 3, 5)), (2, 100), (7, 100), (12, 100), (1, 300), (12, 300)]
)
def test_forests_of_all_sizes_are_as_in_scikit_learn(features, trees):
    rng = np.random.default_rng([features, trees])
    forest, base = fit(rng, features, trees)
    rows = rows_around(forest, rng, base, most=500)
    rows[rng.random(rows.shape) < 0.02] = np.nan
    rows[rng.random(rows.shape) < 0.02] = np.inf
    assert_the_same(forest, np.vstack([rows, base]))


@pytest.mark.parametrize(
    "options",
    [
        {"missing": 0.1},
        {"max_features": 0.5},
        {"missing": 0.3, "max_features": 3},
        {"max_samples": 2},
        {"max_samples": 1},
        {"max_samples": 1.0, "rows": 3000},
        {"bootstrap": True},
        {"rows": 1},
    ],
    ids=str,
)
def test_forests_fitted_otherwise_are_as_in_scikit_learn(options):
    rng = np.random.default_rng(7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        forest, base = fit(rng, 6, 21, **options)
        rows = rows_around(forest, rng, base) if cuts_of(forest) else base
        rows[rng.random(rows.shape) < 0.1] = np.nan
        assert_the_same(forest, np.vstack([rows, base]))


SMALL, _ = fit(np.random.default_rng(3), 4, 9)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(width=64), min_size=4, max_size=4))
def test_any_vector_is_as_in_scikit_learn(numbers):
    assert_the_same(SMALL, [numbers])


def test_the_score_is_the_papers_formula():
    rng = np.random.default_rng(4)
    forest, base = fit(rng, 5, 30, missing=0.05)
    vectors = as_float32(base[:100])
    flat = flatten(forest)
    np.testing.assert_allclose(ours(flat, vectors)[1], [forest_score(forest, v) for v in vectors], rtol=1e-12)
    for t, (estimator, features) in enumerate(zip(forest.estimators_, forest.estimators_features_, strict=True)):
        found = int(leaf(flat, flat.roots[t], vectors[0])) - int(flat.roots[t])
        assert breadth_first(estimator.tree_)[found] == walk(estimator.tree_, vectors[0], features)[0]


def test_scores_lie_above_0_up_to_1_and_an_odd_vector_scores_higher():
    forest, base = fit(np.random.default_rng(5), 3, 50)
    scores = ours(flatten(forest), as_float32(np.vstack([base, 1e6 * np.ones((1, 3))])))[1]
    assert 0.0 < scores.min() <= scores.max() <= 1.0
    assert scores[-1] > np.quantile(scores, 0.95)


def test_a_node_takes_eight_bytes_and_too_large_a_tree_is_refused():
    assert NODE_DTYPE.itemsize == 8
    rows = np.random.default_rng(6).normal(size=(40_000, 1))
    forest = IsolationForest(n_estimators=1, max_samples=40_000, random_state=1)
    forest.fit(rows)
    if forest.estimators_[0].tree_.node_count <= 65_535:
        rows = np.arange(40_000.0)[:, None] ** 3
        forest.estimators_[0].set_params(max_depth=None).fit(rows, np.arange(40_000.0))
    assert forest.estimators_[0].tree_.node_count > 65_535
    with pytest.raises(ModelError, match="nodes; at most 65,535"):
        flatten(forest)

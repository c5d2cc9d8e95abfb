"""A fitted IsolationForest as a compiled, exactly equal scorer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamforest.compiled import Records, compiled
from streamforest.protocols import DetectorError

if TYPE_CHECKING:
    from sklearn.ensemble import IsolationForest

#: In one tree: a node's children are numbered with 16 bits.
MOST_NODES = int(np.iinfo(np.uint16).max)

#: One node: 8 bytes. Children lie side by side, so that one index serves both: a value at or below the
#: cut goes to ``child``, one above it to ``child + 1``. A leaf is its own left child under an infinite cut.
NODE_DTYPE = np.dtype([("cut", "f4"), ("feature", "u2"), ("child", "u2")])

#: Vectors that are walked down a tree side by side, as each step of one has to wait for its node.
BLOCK = 40


class ModelError(DetectorError):
    """The model file cannot be used; the message says why and what to do."""


class Forest(NamedTuple):
    """The trees of an IsolationForest, flattened.

    Attributes
    ----------
    nodes : array of NODE_DTYPE, shape (n_nodes,)
        All trees, one after the other.
    nan_left : bool array, shape (n_nodes,)
        Where a missing value goes left; asked only for vectors that hold one.
    depths : float64 array, shape (n_nodes,)
        At a leaf the expected path length of its samples, as scikit-learn counts it; 0 elsewhere.
    roots : uint64 array, shape (n_trees,)
        First node of each tree. Indices here have no sign: compiled code asks of each that has one whether it
        counts from the end, which takes as long as the walk.
    levels : int
        Depth of the deepest tree.
    normaliser : float
        Expected path length in the whole forest: ``n_trees * c(max_samples)``.
    """

    nodes: Records
    nan_left: NDArray[np.bool_]
    depths: NDArray[np.float64]
    roots: NDArray[np.uint64]
    levels: int
    normaliser: float


def flatten(model: IsolationForest) -> Forest:
    """Flatten a fitted IsolationForest.

    Raises
    ------
    ModelError
        A tree has over 65,535 nodes.
    """
    trees = [estimator.tree_.__getstate__()["nodes"] for estimator in model.estimators_]
    return flatten_trees(trees, model.estimators_features_, model._max_samples)


def flatten_trees(trees: Sequence[NDArray[np.void]], features: Sequence[NDArray[np.int64]], max_samples: int) -> Forest:
    """Flatten trees whose nodes are as scikit-learn keeps them.

    Parameters
    ----------
    trees : sequence of structured arrays, each of shape (n_nodes,)
        With the fields left_child, right_child, feature, threshold, n_node_samples and missing_go_to_left.
    features : sequence of int arrays
        Of each tree, the features that its own features are.
    max_samples : int
        Samples that a tree was fitted on.

    Raises
    ------
    ModelError
        A tree has over 65,535 nodes.

    Notes
    -----
    scikit-learn compares a float32 value with a float64 cut. For float32 values that is the same as
    comparing with the largest float32 that is not above the cut.
    """
    parts, nan_left, depths, roots, levels, start = [], [], [], [], 0, 0
    for tree, own_features in zip(trees, features, strict=True):
        if tree.size > MOST_NODES:
            raise ModelError(f"a tree has {tree.size} nodes; at most {MOST_NODES:,} are supported")
        order, level = _side_by_side(tree["left_child"].tolist(), tree["right_child"].tolist())
        nodes, goes_left, depth = _flatten_tree(tree[order], order, level, own_features)
        parts.append(nodes)
        nan_left.append(goes_left)
        depths.append(depth)
        roots.append(start)
        levels = max(levels, int(level[-1]))
        start += tree.size
    normaliser = float(len(roots) * expected_path_length(np.array([max_samples]))[0])
    return Forest(
        np.concatenate(parts),
        np.concatenate(nan_left),
        np.concatenate(depths),
        np.array(roots, dtype=np.uint64),
        levels,
        normaliser,
    )


def expected_path_length(samples: NDArray[np.int64]) -> NDArray[np.float64]:
    """Expected length of the path to a point of so many samples in a random tree: c(n) of the paper, in its equation 1.

    In scikit-learn's order of operations, so that it gives the same bits.
    """
    n = np.maximum(samples, 3).astype(np.float64)
    many = 2.0 * (np.log(n - 1.0) + np.euler_gamma) - 2.0 * (n - 1.0) / n
    return np.where(samples > 2, many, np.where(samples == 2, 1.0, 0.0))


def _side_by_side(left: list[int], right: list[int]) -> tuple[list[int], NDArray[np.int64]]:
    """Node ids in breadth-first order, which puts the two children of a node side by side; and their levels."""
    order, level = [0], [0]
    for position, node in enumerate(order):  # grows while it is walked
        if left[node] >= 0:
            order += [left[node], right[node]]
            level += [level[position] + 1] * 2
    return order, np.array(level)


def _flatten_tree(
    tree: NDArray[np.void], order: list[int], level: NDArray[np.int64], features: NDArray[np.int64]
) -> tuple[NDArray[np.void], NDArray[np.bool_], NDArray[np.float64]]:
    """Nodes, ways of missing values and depths of a tree whose nodes stand in this order already."""
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    is_leaf = tree["left_child"] < 0
    cuts = tree["threshold"]
    with np.errstate(over="ignore"):  # a cut beyond all float32 numbers
        rounded = cuts.astype(np.float32)
    above = rounded.astype(np.float64) > cuts
    rounded[above] = np.nextafter(rounded[above], np.float32(-np.inf))
    nodes = np.zeros(len(order), dtype=NODE_DTYPE)
    nodes["cut"] = np.where(is_leaf, np.float32(np.inf), rounded)
    nodes["feature"] = np.where(is_leaf, 0, features[np.where(is_leaf, 0, tree["feature"])])
    nodes["child"] = np.where(is_leaf, np.arange(len(order)), place[tree["left_child"]])
    missing = tree["missing_go_to_left"].astype(bool) | is_leaf
    samples = expected_path_length(tree["n_node_samples"])
    depths = np.where(is_leaf, samples + (level + 1.0) - 1.0, 0.0)  # in scikit-learn's order
    return nodes, missing, depths


@compiled
def leaf(forest: Forest, root: np.uint64, vector: NDArray[np.float32]) -> np.uint64:
    """Index of the leaf that a vector falls into, in the tree that starts at ``root``; NaN is followed."""
    i = np.uint64(0)
    for _ in range(forest.levels):
        node = forest.nodes[root + i]
        x = vector[node.feature]
        goes_right = not forest.nan_left[root + i] if x != x else x > node.cut
        i = np.uint64(node.child + goes_right)
    return root + i


@compiled
def _score_of(path_length: float, normaliser: float) -> float:
    return 2.0 ** (-path_length / normaliser) if normaliser > 0 else 0.5


@compiled
def isolation(forest: Forest, vector: NDArray[np.float32]) -> float:
    """scikit-learn's own anomaly score of a vector of shape (n_features,), in (0, 1], higher = more anomalous.

    Equals ``-IsolationForest.score_samples`` to within 4 ulp: the same leaf in every tree, the path lengths
    summed in the order of the trees, and a power, which numpy's versions round differently.

    References
    ----------
    Liu, Ting and Zhou, "Isolation Forest", ICDM 2008, doi 10.1109/ICDM.2008.17, equation 2.
    """
    nodes, depths, roots = forest.nodes, forest.depths, forest.roots
    has_nan = False
    for f in range(vector.size):
        has_nan |= vector[f] != vector[f]
    total = 0.0
    trees = roots.size
    # several trees are walked side by side, as each step of one has to wait for its node
    together = 0 if has_nan else trees - trees % 5
    for t in range(0, together, 5):
        a, b, c, d, e = roots[t], roots[t + 1], roots[t + 2], roots[t + 3], roots[t + 4]
        i = j = k = m = n = np.uint64(0)
        for _ in range(forest.levels):
            p, q, r, s, u = nodes[a + i], nodes[b + j], nodes[c + k], nodes[d + m], nodes[e + n]
            i = np.uint64(p.child + (vector[p.feature] > p.cut))
            j = np.uint64(q.child + (vector[q.feature] > q.cut))
            k = np.uint64(r.child + (vector[r.feature] > r.cut))
            m = np.uint64(s.child + (vector[s.feature] > s.cut))
            n = np.uint64(u.child + (vector[u.feature] > u.cut))
        total += depths[a + i]
        total += depths[b + j]
        total += depths[c + k]
        total += depths[d + m]
        total += depths[e + n]
    for t in range(together, trees):
        total += depths[leaf(forest, roots[t], vector)]
    return _score_of(total, forest.normaliser)


@compiled
def isolate(forest: Forest, vectors: NDArray[np.float32], scores: NDArray[np.float64]) -> None:
    """Fill in the :func:`isolation` of each row of vectors, in two thirds of the time: the same bits."""
    nodes, depths = forest.nodes, forest.depths
    at = np.empty(BLOCK, dtype=np.uint64)
    for first in range(0, scores.size, BLOCK):
        rows, totals = vectors[first : first + BLOCK], scores[first : first + BLOCK]
        n = np.uint64(totals.size)
        totals[:] = 0.0
        for t in range(forest.roots.size):
            root = forest.roots[t]
            at[:n] = root
            for _ in range(forest.levels):
                for i in range(n):
                    node = nodes[at[i]]
                    at[i] = root + np.uint64(node.child + (rows[i, node.feature] > node.cut))
            for i in range(n):
                totals[i] += depths[at[i]]
        for i in range(n):
            has_nan = False
            for f in range(rows.shape[1]):
                has_nan |= rows[i, f] != rows[i, f]
            totals[i] = isolation(forest, rows[i]) if has_nan else _score_of(totals[i], forest.normaliser)


def forest_scores(forest: Forest, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """The forest's score of each row of vectors, shape (n,)."""
    scores = np.empty(len(vectors))
    # for an array that cannot be written all would be compiled once more
    isolate(forest, vectors if vectors.flags.writeable else vectors.copy(), scores)
    return scores

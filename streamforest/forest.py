"""A fitted IsolationForest as a compiled, exactly equal scorer, and the model file it comes from."""

from __future__ import annotations

import os
import pickle
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamforest.compiled import Records, compiled
from streamforest.protocols import DetectorError

if TYPE_CHECKING:
    from sklearn.ensemble import IsolationForest

FORMAT = 2

#: One node: 8 bytes. Children lie side by side, so that one index serves both: a value at or below the
#: cut goes to ``child``, one above it to ``child + 1``. A leaf is its own left child under an infinite cut.
NODE_DTYPE = np.dtype([("cut", "f4"), ("feature", "i2"), ("child", "u2")])


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
    roots : int64 array, shape (n_trees,)
        First node of each tree.
    levels : int
        Depth of the deepest tree.
    normaliser : float
        Expected path length in the whole forest: ``n_trees * c(max_samples)``.
    """

    nodes: Records
    nan_left: NDArray[np.bool_]
    depths: NDArray[np.float64]
    roots: NDArray[np.int64]
    levels: int
    normaliser: float


def flatten(model: IsolationForest) -> Forest:
    """Flatten a fitted IsolationForest.

    Raises
    ------
    ModelError
        A tree has over 65,535 nodes.

    Notes
    -----
    scikit-learn compares a float32 value with a float64 cut. For float32 values that is the same as
    comparing with the largest float32 that is not above the cut.
    """
    from sklearn.ensemble._iforest import _average_path_length  # noqa: PLC0415 - heavy, needed only here

    parts, nan_left, depths, roots, levels, start = [], [], [], [], 0, 0
    for estimator, features in zip(model.estimators_, model.estimators_features_, strict=True):
        tree = estimator.tree_
        if tree.node_count > np.iinfo(np.uint16).max:
            raise ModelError(f"a tree has {tree.node_count} nodes; at most 65,535 are supported")
        order, level = _side_by_side(tree.children_left, tree.children_right)
        nodes, goes_left, depth = _flatten_tree(tree, order, level, features, _average_path_length)
        parts.append(nodes)
        nan_left.append(goes_left)
        depths.append(depth)
        roots.append(start)
        levels = max(levels, int(level.max()))
        start += tree.node_count
    normaliser = float(len(roots) * _average_path_length(np.array([model._max_samples]))[0])
    return Forest(
        np.concatenate(parts),
        np.concatenate(nan_left),
        np.concatenate(depths),
        np.array(roots, dtype=np.int64),
        levels,
        normaliser,
    )


def _side_by_side(left: NDArray[np.int64], right: NDArray[np.int64]) -> tuple[list[int], NDArray[np.int64]]:
    """Node ids in breadth-first order, which puts the two children of a node side by side; and their levels."""
    order, level = [0], [0]
    for position, node in enumerate(order):  # grows while it is walked
        if left[node] >= 0:
            order += [int(left[node]), int(right[node])]
            level += [level[position] + 1] * 2
    return order, np.array(level)


def _flatten_tree(
    tree: Any, order: list[int], level: NDArray[np.int64], features: NDArray[np.int64], average_path_length: Any
) -> tuple[NDArray[np.void], NDArray[np.bool_], NDArray[np.float64]]:
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    is_leaf = tree.children_left[order] < 0
    cuts = tree.threshold[order]
    rounded = cuts.astype(np.float32)
    above = rounded.astype(np.float64) > cuts
    rounded[above] = np.nextafter(rounded[above], np.float32(-np.inf))
    nodes = np.zeros(len(order), dtype=NODE_DTYPE)
    nodes["cut"] = np.where(is_leaf, np.float32(np.inf), rounded)
    nodes["feature"] = np.where(is_leaf, 0, features[np.maximum(tree.feature[order], 0)])
    nodes["child"] = np.where(is_leaf, np.arange(len(order)), place[tree.children_left[order]])
    missing = np.asarray(tree.missing_go_to_left, dtype=bool)[order] | is_leaf
    samples = average_path_length(tree.n_node_samples[order])
    depths = np.where(is_leaf, samples + (level + 1.0) - 1.0, 0.0)  # in scikit-learn's order
    return nodes, missing, depths


@compiled
def leaf(nodes: Records, nan_left: NDArray[np.bool_], root: int, levels: int, vector: NDArray[np.float32]) -> int:
    """Index of the leaf that a vector falls into, in the tree that starts at ``root``; NaN is followed."""
    i = 0
    for _ in range(levels):
        node = nodes[root + i]
        x = vector[node.feature]
        goes_right = not nan_left[root + i] if x != x else x > node.cut
        i = node.child + (1 if goes_right else 0)
    return root + i


@compiled
def score(
    nodes: Records,
    nan_left: NDArray[np.bool_],
    depths: NDArray[np.float64],
    roots: NDArray[np.int64],
    levels: int,
    normaliser: float,
    vector: NDArray[np.float32],
) -> float:
    """Anomaly score of a vector of shape (n_features,), in (0, 1], higher = more anomalous.

    Equals ``-IsolationForest.score_samples`` to within 2 ulp: the same leaf in every tree, and the path
    lengths summed in the order of the trees.

    References
    ----------
    Liu, Ting and Zhou, "Isolation Forest", ICDM 2008, doi 10.1109/ICDM.2008.17, equation 2.
    """
    has_nan = False
    for f in range(vector.size):
        has_nan |= vector[f] != vector[f]
    total = 0.0
    trees = roots.size
    together = 0 if has_nan else trees - trees % 4
    for t in range(0, together, 4):
        a, b, c, d = roots[t], roots[t + 1], roots[t + 2], roots[t + 3]
        i = j = k = m = 0
        for _ in range(levels):
            p, q, r, s = nodes[a + i], nodes[b + j], nodes[c + k], nodes[d + m]
            i = p.child + (vector[p.feature] > p.cut)
            j = q.child + (vector[q.feature] > q.cut)
            k = r.child + (vector[r.feature] > r.cut)
            m = s.child + (vector[s.feature] > s.cut)
        total += depths[a + i]
        total += depths[b + j]
        total += depths[c + k]
        total += depths[d + m]
    for t in range(together, trees):
        total += depths[leaf(nodes, nan_left, roots[t], levels, vector)]
    return 2.0 ** (-total / normaliser) if normaliser > 0 else 0.5


@compiled
def isolation(forest: Forest, vector: NDArray[np.float32]) -> float:
    """scikit-learn's own anomaly score of a vector, in (0, 1), higher = more anomalous."""
    return score(forest.nodes, forest.nan_left, forest.depths, forest.roots, forest.levels, forest.normaliser, vector)


class Model(NamedTuple):
    """All that the production model's file holds.

    Attributes
    ----------
    forest : IsolationForest
        As fitted by scikit-learn.
    feature_names : tuple of str
        The features it was fitted on, in their order.
    forest_calibration, calibration : float64 array, shape (n, 2)
        Score and surprise, both rising: the surprise of a score is ``-ln`` of the share of normal training
        points that score at least as much. Of the forest's score, and of the detector's.
    seed : int
        What the training was seeded with.
    versions : dict of str to str
        Versions of Python and of the packages that fitted it.
    report : dict of str to float
        The figures of the training report.
    """

    forest: IsolationForest
    feature_names: tuple[str, ...]
    forest_calibration: NDArray[np.float64]
    calibration: NDArray[np.float64]
    seed: int
    versions: dict[str, str]
    report: dict[str, float]


def save_model(model: Model, path: Path) -> None:
    """Write the model's file, whole or not at all; raises OSError."""
    import joblib  # noqa: PLC0415 - heavy, needed only here

    handle, beside = tempfile.mkstemp(prefix=".", suffix=".joblib", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            joblib.dump({"format": FORMAT, **model._asdict()}, file)
            file.flush()
            os.fsync(file.fileno())
        Path(beside).replace(path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise


#: The only names that a model's file may use: what a fitted IsolationForest consists of.
_ALLOWED = {
    ("sklearn.ensemble._iforest", "IsolationForest"),
    ("sklearn.tree._classes", "ExtraTreeRegressor"),
    ("sklearn.tree._tree", "Tree"),
    ("joblib.numpy_pickle", "NumpyArrayWrapper"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy.core.multiarray", "scalar"),
}


def load_model(path: Path) -> Model:
    """Read a model's file without running code from it.

    Raises
    ------
    ModelError
        The file is missing, damaged, of another format, or holds anything that is no part of a forest.
    """
    from joblib.numpy_pickle import NumpyUnpickler  # noqa: PLC0415 - heavy, needed only here

    class ForestUnpickler(NumpyUnpickler):  # type: ignore[misc] # joblib ships no types
        def find_class(self, module: str, name: str) -> Any:
            if (module, name) not in _ALLOWED:
                raise pickle.UnpicklingError(f"it holds {module}.{name}, which is no part of a forest")
            return super().find_class(module, name)

    try:
        with path.open("rb") as file:
            content = ForestUnpickler(str(path), file, ensure_native_byte_order=True).load()
    except FileNotFoundError:
        raise ModelError(f"there is no model at {path}: make one with 'python model_prod.py'") from None
    except OSError as error:
        raise ModelError(f"the model {path} cannot be read: {error.strerror}") from None
    except Exception as error:
        # a damaged pickle raises anything
        raise ModelError(
            f"{path} is no model of this program ({error}): make one with 'python model_prod.py'"
        ) from None
    if not isinstance(content, dict) or content.pop("format", None) != FORMAT or set(content) != set(Model._fields):
        raise ModelError(f"{path} is no model of this version: make one with 'python model_prod.py'")
    return Model(**content)

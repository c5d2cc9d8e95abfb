"""The production model's file: saved by joblib, read without running anything in it, and checked."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from streamforest.models import inert_pickle
from streamforest.models.forest import MOST_NODES, Forest, ModelError, flatten_trees, forest_scores
from streamforest.models.inert_pickle import Description, shown
from streamforest.storage.safe_files import whole_file

if TYPE_CHECKING:
    from sklearn.ensemble import IsolationForest

FORMAT = 3
MAKE_ONE = "make one with 'python model_prod.py'"
#: Larger than any file of this format; reading one takes less than ten times as much memory.
MOST_BYTES = 10_000_000
#: Deeper than any tree of a forest: one of 65,535 nodes that is split at random has some 40 levels.
MOST_LEVELS = 64
MOST_FEATURES, MOST_KNOTS, MOST_PROBES = 1000, 10_000, 10_000
MOST_SAMPLES = 2**31 - 1

FOREST = ("sklearn.ensemble._iforest", "IsolationForest")
ESTIMATOR = ("sklearn.tree._classes", "ExtraTreeRegressor")
TREE = ("sklearn.tree._tree", "Tree")
#: Types of a tree's node that are needed, by their names in scikit-learn.
NODE_KINDS = {
    "left_child": "i",
    "right_child": "i",
    "feature": "i",
    "threshold": "f",
    "n_node_samples": "i",
    "missing_go_to_left": "bu",
}
#: Vectors whose scores stand in the file, and how far ours may be from them, in units in the last place: scikit-learn's
#: are numpy's powers, which its older versions give to within 4 (numpy 1.26 and the present ones differ by 3).
PROBES, MOST_ULP = 200, 4
#: In front of the checksum, which is the last that stands in a file.
CHECKSUM_MARK = b"\nsha256 "
CHECKSUM_BYTES = len(CHECKSUM_MARK) + 64

T = TypeVar("T")


class Model(NamedTuple):
    """All that the production model's file holds.

    Attributes
    ----------
    forest : Forest
        Flattened.
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
    fitted : IsolationForest or None
        As fitted by scikit-learn; None in a model that was read from its file, which needs no scikit-learn.
    """

    forest: Forest
    feature_names: tuple[str, ...]
    forest_calibration: NDArray[np.float64]
    calibration: NDArray[np.float64]
    seed: int
    versions: dict[str, str]
    report: dict[str, float]
    fitted: IsolationForest | None = None


#: What stands in a file beside the format.
PARTS = {"forest", *Model._fields, "probes", "probe_scores"} - {"fitted"}


def save_model(model: Model, path: Path) -> None:
    """Write the model's file, whole or not at all.

    Raises
    ------
    OSError
        It cannot be written.
    ValueError
        The model was read from a file itself.

    Notes
    -----
    A joblib file, ``joblib.load(path)["forest"]`` is the fitted forest of scikit-learn; its SHA-256 stands behind it.
    """
    import joblib  # noqa: PLC0415 - heavy, needed only here

    if model.fitted is None:
        raise ValueError("a model that was read from a file holds no fitted forest: copy its file")
    probes = probes_of(model.forest, len(model.feature_names))
    content = {**model._asdict(), "format": FORMAT, "forest": model.fitted, "probes": probes}
    content["probe_scores"] = -model.fitted.score_samples(probes)
    del content["fitted"]
    with whole_file(path) as file:
        joblib.dump(content, file)
        file.seek(0)
        checksum = hashlib.file_digest(file, "sha256").hexdigest()
        file.write(CHECKSUM_MARK + checksum.encode())


def probes_of(forest: Forest, n_features: int) -> NDArray[np.float32]:
    """Vectors, shape (PROBES, n_features), of the trees' own cuts and a float32 step beside them.

    That is where two ways of walking a tree would part.
    """
    rng = np.random.default_rng(0)
    inner = np.isfinite(forest.nodes["cut"])
    probes = np.zeros((PROBES, n_features), dtype=np.float32)
    for f in range(n_features):
        cuts = forest.nodes["cut"][inner & (forest.nodes["feature"] == f)]
        if cuts.size:
            chosen = rng.choice(cuts, PROBES)
            towards = np.array([-np.inf, np.nan, np.inf], dtype=np.float32)[rng.integers(0, 3, PROBES)]
            probes[:, f] = np.where(np.isnan(towards), chosen, np.nextafter(chosen, towards))
    return probes


def load_model(path: Path) -> Model:
    """Read a model's file without running or making anything that it holds.

    Raises
    ------
    ModelError
        The file is missing, damaged, of another format, or holds anything but a well-formed forest whose scores
        are those that scikit-learn gave when it was saved.

    Notes
    -----
    A file has at most MOST_BYTES; reading it takes less than ten times as much memory, see ``inert_pickle.read``.
    """
    try:
        return model_in(bytes_of(path, MOST_BYTES))
    except FileNotFoundError:
        raise ModelError(f"there is no model at {path}: {MAKE_ONE}") from None
    except OSError as error:
        raise ModelError(f"the model {path} cannot be read: {error.strerror or error}") from None
    except (ValueError, ModelError) as error:
        raise ModelError(f"{path} is no model of this program ({error}): {MAKE_ONE}") from None


def bytes_of(path: Path, most: int) -> bytes:
    """All bytes of a regular file.

    Raises
    ------
    OSError
        It cannot be read.
    ValueError
        It is no regular file, or has more than ``most`` bytes.
    """
    with open(path, "rb", opener=_without_waiting) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("it is no regular file")
        content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"it has over {most:,} bytes")
    return content


def _without_waiting(path: str, flags: int) -> int:
    """Open a file; a pipe that nobody writes into is not waited for."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def model_in(content: bytes) -> Model:
    """The model in a file's bytes.

    Raises
    ------
    ValueError
        It is none; the message says why, in one line.
    ModelError
        A tree is too large.
    """
    body, checksum = content[:-CHECKSUM_BYTES], content[-CHECKSUM_BYTES:]
    if not checksum.startswith(CHECKSUM_MARK):
        raise ValueError("it has no checksum at its end: it is damaged, or of an earlier version")
    if hashlib.sha256(body).hexdigest().encode() != checksum[len(CHECKSUM_MARK) :]:
        raise ValueError("its checksum is wrong: it is damaged")
    parts = inert_pickle.read(body, (FOREST, ESTIMATOR, TREE))
    if type(parts) is not dict or type(parts.pop("format", None)) is not int or set(parts) != PARTS:
        raise ValueError("its parts are not those of this version")
    return _checked(parts)


def _checked(parts: dict[str, Any]) -> Model:
    names = tuple(_listed(parts["feature_names"], tuple, str, "feature names"))
    if not (1 <= len(names) <= MOST_FEATURES and len(set(names)) == len(names) and all(names)):
        raise ValueError("its feature names are none, too many or the same")
    seed = parts["seed"]
    if type(seed) is not int or not 0 <= seed < 2**32:
        raise ValueError("its seed is no number from 0 to 4294967295")
    model = Model(
        checked_forest(parts["forest"], len(names)),
        names,
        _calibration(parts["forest_calibration"], "forest_calibration"),
        _calibration(parts["calibration"], "calibration"),
        seed,
        _mapping(parts["versions"], str, "versions"),
        _mapping(parts["report"], float, "report"),
    )
    probes = _numbers(parts["probes"], np.float32, (None, len(names)), "probes")
    _prove(model, probes, _numbers(parts["probe_scores"], np.float64, (len(probes),), "probe_scores"))
    return model


def _prove(model: Model, probes: NDArray[np.float32], theirs: NDArray[np.float64]) -> None:
    """Raise ValueError where the flattened forest does not give the scores that scikit-learn gave."""
    if not 1 <= len(probes) <= MOST_PROBES or not ((theirs > 0.0) & (theirs <= 1.0)).all():
        raise ValueError("its probes are none, too many or without scores from 0 to 1")
    ours = forest_scores(model.forest, probes)
    wrong = np.flatnonzero(np.abs(ours - theirs) > MOST_ULP * np.spacing(theirs))
    if wrong.size:
        by = shown(model.versions.get("scikit-learn", "of an unknown version"))
        raise ValueError(
            f"scikit-learn {by} scored {theirs[wrong[0]]:.17g} where its trees give {ours[wrong[0]]:.17g} here"
        )


def checked_forest(described: object, n_features: int) -> Forest:
    """The forest that a file describes.

    Raises
    ------
    ValueError
        It is no well-formed forest on so many features; the message says why.
    ModelError
        A tree is too large.
    """
    state = _state(described, FOREST)
    if state.get("n_features_in_") != n_features:
        raise ValueError("its forest was fitted on another number of features")
    max_samples = state.get("_max_samples")
    if type(max_samples) is not int or not 2 <= max_samples <= MOST_SAMPLES:
        raise ValueError("its forest does not say on how many samples a tree was fitted")
    estimators = _listed(state.get("estimators_"), list, Description, "trees")
    own = _listed(state.get("estimators_features_"), list, np.ndarray, "trees' features")
    if not 1 <= len(estimators) == len(own):
        raise ValueError("its trees are none, or without their features")
    trees, features = [], []
    for estimator, columns in zip(estimators, own, strict=True):
        features.append(_features(columns, n_features))
        trees.append(_nodes(_state(_state(estimator, ESTIMATOR).get("tree_"), TREE).get("nodes"), len(columns)))
    forest = flatten_trees(trees, features, max_samples)
    if forest.levels > MOST_LEVELS:
        raise ValueError(f"it has a tree of {forest.levels} levels, allowed are {MOST_LEVELS}")
    return forest


def _state(described: object, name: tuple[str, str]) -> dict[str, Any]:
    if type(described) is not Description or described.name != name or type(described.state) is not dict:
        raise ValueError(f"it holds something else where {'.'.join(name)} has to be")
    return described.state


def _features(columns: NDArray[Any], n_features: int) -> NDArray[np.int64]:
    if columns.dtype.kind not in "iu" or columns.ndim != 1 or not 1 <= columns.size <= n_features:
        raise ValueError("a tree's features are no numbers")
    if not ((columns >= 0) & (columns < n_features)).all():
        raise ValueError(f"a tree's features are not among the {n_features}")
    return columns.astype(np.int64)


def _nodes(nodes: object, n_features: int) -> NDArray[np.void]:
    """The nodes of one tree, in the machine's own byte order.

    Raises
    ------
    ValueError
        They are no tree on so many features. A child that stands behind its parent and is nobody else's
        makes a tree: no way leads round in a circle, and each node is reached once.
    """
    if not isinstance(nodes, np.ndarray) or nodes.ndim != 1 or not 1 <= nodes.size <= MOST_NODES:
        raise ValueError(f"a tree has no nodes, or over {MOST_NODES:,}")
    kinds = {name: nodes.dtype[name].kind for name in nodes.dtype.names or ()}
    if any(kinds.get(name, "-") not in allowed for name, allowed in NODE_KINDS.items()):
        raise ValueError("a tree's nodes have other fields than scikit-learn's")
    native = np.empty(nodes.size, np.dtype([(name, _NATIVE[kind[0]]) for name, kind in NODE_KINDS.items()]))
    for name in NODE_KINDS:
        native[name] = nodes[name]
    left, right = native["left_child"], native["right_child"]
    inner = left != -1
    if not ((right != -1) == inner).all():
        raise ValueError("a tree's node has one child")
    places = np.flatnonzero(inner)
    children = np.concatenate([left[inner], right[inner]])
    if not ((children > np.tile(places, 2)) & (children < nodes.size)).all():
        raise ValueError("a tree's node has a child out of range")
    if not (np.sort(children) == np.arange(1, nodes.size)).all():
        raise ValueError("a tree's nodes are not reached once each")
    if not np.isfinite(native["threshold"][inner]).all():
        raise ValueError("a tree has a threshold that is not finite")
    used = native["feature"][inner]
    if not ((used >= 0) & (used < n_features)).all():
        raise ValueError("a tree asks for a feature out of range")
    samples = native["n_node_samples"]
    if not ((samples >= 1) & (samples <= MOST_SAMPLES)).all():
        raise ValueError("a tree has a node without samples")
    if not (samples[left[inner]] + samples[right[inner]] == samples[inner]).all():
        raise ValueError("a tree's node has other samples than its children")
    if not (native["missing_go_to_left"] <= 1).all():
        raise ValueError("a tree does not say where a missing value goes")
    return native


_NATIVE = {"i": "i8", "f": "f8", "b": "u1"}


def _numbers(array: object, kind: type, shape: tuple[int | None, ...], what: str) -> NDArray[Any]:
    """A finite array of one type and shape, in the machine's own byte order; None is any length."""
    dtype = np.dtype(kind)
    if not isinstance(array, np.ndarray) or array.dtype.newbyteorder("=") != dtype or array.ndim != len(shape):
        raise ValueError(f"its {what} are no array of {dtype.name}")
    if any(want not in (None, got) for want, got in zip(shape, array.shape, strict=True)):
        raise ValueError(f"its {what} have another shape")
    native = np.ascontiguousarray(array, dtype=dtype)
    if not np.isfinite(native).all():
        raise ValueError(f"its {what} are not all finite")
    return native


def _calibration(array: object, name: str) -> NDArray[np.float64]:
    knots = _numbers(array, np.float64, (None, 2), name)
    if not 1 <= len(knots) <= MOST_KNOTS or not (np.diff(knots, axis=0) > 0.0).all():
        raise ValueError(f"its {name} does not rise, or has over {MOST_KNOTS:,} knots")
    if knots[0, 0] < 0.0 or knots[-1, 0] > 1.0 or knots[0, 1] < 0.0:
        raise ValueError(f"its {name} has scores outside 0 to 1, or a surprise below 0")
    return knots


def _listed(values: object, kind: type[list[Any] | tuple[Any, ...]], of: type[T], what: str) -> list[T]:
    listed = list(values) if isinstance(values, kind) else []
    if type(values) is not kind or not all(type(value) is of for value in listed):
        raise ValueError(f"its {what} are no {kind.__name__} of them")
    return listed


def _mapping(values: object, kind: type[T], what: str) -> dict[str, T]:
    if type(values) is not dict or not all(type(value) is kind for value in values.values()):
        raise ValueError(f"its {what} are no names with a {kind.__name__} each")
    return values

import hashlib
import io
import os
import pickle

import joblib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import IsolationForest

from streamforest.models.forest import ModelError, forest_scores
from streamforest.models.model_file import (
    CHECKSUM_BYTES,
    CHECKSUM_MARK,
    FORMAT,
    MOST_BYTES,
    PARTS,
    load_model,
    probes_of,
    save_model,
)

WHAT_TO_DO = r"make one with 'python model_prod\.py'$"


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    """The bytes of a model's file, without the checksum."""
    path = tmp_path_factory.mktemp("model") / "model.joblib"
    save_model(model, path)
    return path.read_bytes()[:-CHECKSUM_BYTES]


def sealed(body):
    """A file's bytes with the checksum that belongs to them: nobody is kept from making one."""
    return body + CHECKSUM_MARK + hashlib.sha256(body).hexdigest().encode()


def packed(content):
    """The bytes of a file of other content, with its checksum."""
    file = io.BytesIO()
    joblib.dump(content, file)
    return sealed(file.getvalue())


def refusal(content, path):
    """Why a file of these bytes is refused."""
    path.write_bytes(content)
    with pytest.raises(ModelError, match=WHAT_TO_DO) as caught:
        load_model(path)
    assert str(caught.value).isprintable()
    return str(caught.value)


def test_a_saved_model_comes_back_whole(model, tmp_path):
    save_model(model, tmp_path / "model.joblib")
    loaded = load_model(tmp_path / "model.joblib")
    assert loaded.feature_names == model.feature_names
    assert loaded.seed == model.seed
    assert loaded.versions == model.versions
    assert loaded.report == model.report
    np.testing.assert_array_equal(loaded.calibration, model.calibration)
    np.testing.assert_array_equal(loaded.forest_calibration, model.forest_calibration)
    for one, other in zip(model.forest, loaded.forest, strict=True):
        np.testing.assert_array_equal(one, other)
    assert [path.name for path in tmp_path.iterdir()] == ["model.joblib"], "nothing else is left"


def test_the_file_holds_the_fitted_forest_of_scikit_learn(model, tmp_path):
    save_model(model, tmp_path / "model.joblib")
    content = joblib.load(tmp_path / "model.joblib")
    assert set(content) == PARTS | {"format"}
    vectors = np.random.default_rng(1).exponential(size=(50, len(model.feature_names)))
    np.testing.assert_array_equal(content["forest"].score_samples(vectors), model.fitted.score_samples(vectors))


def test_a_model_that_was_read_is_not_saved_again(model, tmp_path):
    save_model(model, tmp_path / "model.joblib")
    with pytest.raises(ValueError, match="copy its file"):
        save_model(load_model(tmp_path / "model.joblib"), tmp_path / "again.joblib")


def test_a_save_that_fails_leaves_the_old_file_and_nothing_beside_it(model, tmp_path):
    path = tmp_path / "model.joblib"
    path.write_text("the old one")
    with pytest.raises((pickle.PicklingError, AttributeError, TypeError)):
        save_model(model._replace(report={"not to be pickled": lambda: None}), path)
    assert path.read_text() == "the old one"
    assert [file.name for file in tmp_path.iterdir()] == ["model.joblib"]
    with pytest.raises(OSError, match=r"."):
        save_model(model, tmp_path / "no folder" / "model.joblib")


# Nothing runs


class Intruder:
    """Runs a command when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


class ByName(Intruder):
    def __reduce__(self):
        return eval, (f"__import__('os').system('mkdir {self.mark}')",)


@pytest.mark.parametrize("kind", [Intruder, ByName])
@pytest.mark.parametrize("place", ["alone", "in a list", "in an array", "in a model"])
def test_a_file_that_would_run_code_is_refused_and_runs_none(kind, place, model, tmp_path):
    mark = tmp_path / "mark"
    evil = kind(mark)
    whole = {**dict.fromkeys(PARTS), "format": FORMAT, "forest": model.fitted}
    content = {
        "alone": evil,
        "in a list": [1, [evil]],
        # an array of objects is a pickle within the pickle
        "in an array": {**whole, "calibration": np.array([evil], dtype=object)},
        "in a model": {**whole, "report": evil},
    }[place]
    path = tmp_path / "evil.joblib"
    said = refusal(packed(content), path)
    assert "no part of a model" in said or "no type of numbers" in said
    assert not mark.exists()
    joblib.load(path)
    assert mark.exists(), "the file must be one that would have run code"


# What is checked


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.9, 0.99999])
def test_a_truncated_file_is_refused_in_one_line(share, saved, tmp_path):
    whole = sealed(saved)
    assert "checksum" in refusal(whole[: int(share * len(whole))], tmp_path / "model.joblib")


@pytest.mark.parametrize("seed", range(20))
def test_a_bit_that_flipped_anywhere_is_noticed(seed, saved, tmp_path):
    rng, whole = np.random.default_rng(seed), bytearray(sealed(saved))
    whole[rng.integers(len(whole))] ^= 1 << rng.integers(8)
    assert "checksum" in refusal(bytes(whole), tmp_path / "model.joblib")


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=300), st.booleans())
def test_garbage_is_refused(tmp_path_factory, garbage, is_sealed):
    path = tmp_path_factory.mktemp("garbage") / "model.joblib"
    refusal(sealed(garbage) if is_sealed else garbage, path)


@pytest.mark.parametrize("content", [{}, [], 5, None, {"format": FORMAT}, {"format": FORMAT, "forest": 1, "more": 2}])
def test_a_file_of_another_format_is_refused(content, tmp_path):
    assert "not those of this version" in refusal(packed(content), tmp_path / "model.joblib")


def test_a_file_of_an_earlier_version_is_refused_with_a_clear_line(saved, tmp_path):
    assert "of an earlier version" in refusal(saved, tmp_path / "model.joblib")


def changed(body, old, new):
    """A file in which an array has other bytes."""
    assert body.count(old.tobytes()) == 1
    return sealed(body.replace(old.tobytes(), new.tobytes()))


@pytest.mark.parametrize(
    ("field", "node", "value", "said"),
    [
        ("left_child", 0, 0, "child out of range"),
        ("left_child", 0, 10**6, "child out of range"),
        ("left_child", 0, -7, "child out of range"),
        ("right_child", 0, 1, "not reached once each"),
        ("left_child", 0, -1, "one child"),
        ("threshold", 0, np.nan, "not finite"),
        ("threshold", 0, -np.inf, "not finite"),
        ("threshold", 0, 1e300, "scored"),
        ("threshold", 0, -1.0, "scored"),
        ("feature", 0, 14, "feature out of range"),
        ("feature", 0, -2, "feature out of range"),
        ("n_node_samples", 0, 0, "without samples"),
        ("n_node_samples", 0, 300, "other samples than its children"),
        ("missing_go_to_left", 0, 2, "missing value"),
    ],
)
def test_a_tree_that_is_none_or_another_is_refused(field, node, value, said, model, saved, tmp_path):
    nodes = model.fitted.estimators_[3].tree_.__getstate__()["nodes"]
    other = nodes.copy()
    other[field][node] = value
    assert said in refusal(changed(saved, nodes, other), tmp_path / "model.joblib")


def test_what_stands_at_a_leaf_and_is_not_needed_does_no_harm(model, saved, tmp_path):
    nodes = model.fitted.estimators_[3].tree_.__getstate__()["nodes"]
    leaves = nodes["left_child"] < 0
    other = nodes.copy()
    other["feature"][leaves], other["threshold"][leaves], other["impurity"] = 2**62, np.nan, np.inf
    (tmp_path / "model.joblib").write_bytes(changed(saved, nodes, other))
    found = load_model(tmp_path / "model.joblib").forest
    np.testing.assert_array_equal(found.nodes, model.forest.nodes)


def test_a_calibration_that_does_not_rise_or_is_not_finite_is_refused(model, saved, tmp_path):
    calibration = model.calibration
    for row, column, value in ((3, 0, 0.0), (3, 1, 0.0), (5, 0, np.nan), (5, 1, np.inf), (-1, 0, 1.5)):
        other = calibration.copy()
        other[row, column] = value
        said = refusal(changed(saved, calibration, other), tmp_path / "model.joblib")
        assert "its calibration" in said


@pytest.mark.parametrize(
    ("part", "value", "said"),
    [
        ("feature_names", ("a",), "another number of features"),
        ("feature_names", ("a",) * 14, "the same"),
        ("feature_names", "abcdefghijklmn", "feature names"),
        ("feature_names", (1,) * 14, "feature names"),
        ("calibration", np.zeros((0, 2)), "does not rise"),
        ("calibration", np.zeros((5, 3)), "another shape"),
        ("calibration", np.zeros((5, 2), np.float32), "no array of float64"),
        ("calibration", [[0.1, 0.0], [0.2, 1.0]], "no array of float64"),
        ("seed", -1, "seed"),
        ("seed", True, "seed"),
        ("versions", {"python": 3}, "versions"),
        ("report", {"rows": "many"}, "report"),
        ("report", [], "report"),
        ("forest", None, "something else where sklearn.ensemble._iforest.IsolationForest has to be"),
        ("forest", IsolationForest(), "another number of features"),
        ("probes", np.zeros((0, 14), np.float32), "have another shape"),
        ("probe_scores", np.full(200, np.nan), "not all finite"),
        ("probe_scores", np.zeros(200), "without scores"),
    ],
)
def test_a_part_that_is_none_is_refused(part, value, said, saved, tmp_path):
    content = joblib.load(io.BytesIO(saved)) | {part: value}
    assert said in refusal(packed(content), tmp_path / "model.joblib")


def test_a_forest_with_too_deep_a_tree_is_refused(saved, tmp_path):
    deep = IsolationForest(n_estimators=1, random_state=1)
    deep.fit(np.random.default_rng(1).normal(size=(300, 14)))
    deep.estimators_[0].set_params(max_depth=None, splitter="best").fit(
        np.tile(2.0 ** np.arange(120)[:, None], 14), 4.0 ** np.arange(120)
    )
    assert deep.estimators_[0].tree_.max_depth > 64
    content = joblib.load(io.BytesIO(saved)) | {"forest": deep}
    assert "levels, allowed are 64" in refusal(packed(content), tmp_path / "model.joblib")


# Other versions


def test_a_model_of_another_version_of_scikit_learn_works_where_its_scores_are_the_same(model, saved, tmp_path):
    ours = model.versions["scikit-learn"].encode()
    other = b"9" * len(ours)
    assert ours in saved
    path = tmp_path / "model.joblib"
    path.write_bytes(sealed(saved.replace(ours, other)))
    loaded = load_model(path)
    assert loaded.versions["scikit-learn"] == other.decode()
    for one, other_one in zip(model.forest, loaded.forest, strict=True):
        np.testing.assert_array_equal(one, other_one)


@pytest.mark.parametrize("steps", [-9, -6, 6, 9])
def test_where_a_score_is_another_one_the_message_says_so(steps, saved, tmp_path):
    content = joblib.load(io.BytesIO(saved))
    content["probe_scores"][17] += steps * np.spacing(content["probe_scores"][17])
    said = refusal(packed(content), tmp_path / "model.joblib")
    assert f"scikit-learn {content['versions']['scikit-learn']} scored 0." in said


def test_the_probes_reach_most_leaves_and_their_scores_are_scikit_learns_to_4_ulp(model):
    probes = probes_of(model.forest, len(model.feature_names))
    theirs = -model.fitted.score_samples(probes)
    np.testing.assert_array_max_ulp(forest_scores(model.forest, probes), theirs, maxulp=4)
    leaves = sum(np.unique(tree.apply(probes)).size for tree in model.fitted.estimators_)
    assert leaves > 0.6 * sum(tree.get_n_leaves() for tree in model.fitted.estimators_)
    assert len(np.unique(probes, axis=0)) == len(probes)


# Files that are none


def test_a_missing_file_and_a_folder_are_named_with_what_to_do(tmp_path):
    with pytest.raises(ModelError, match=r"there is no model at .*gone.*make one with 'python model_prod.py'"):
        load_model(tmp_path / "gone.joblib")
    with pytest.raises(ModelError, match=r"cannot be read|no regular file"):
        load_model(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ModelError, match="no regular file"):
        load_model(tmp_path / "pipe")


def test_a_huge_file_is_not_read(tmp_path):
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(100 * MOST_BYTES)
    with pytest.raises(ModelError, match="over 10,000,000 bytes"):
        load_model(tmp_path / "huge")


def test_a_compressed_file_is_refused_without_unpacking_it(tmp_path):
    for method in ("zlib", "gzip", "bz2", "lzma", "xz"):
        joblib.dump(np.zeros(10**6), tmp_path / "bomb", compress=(method, 9))
        assert "no uncompressed joblib file" in refusal(sealed((tmp_path / "bomb").read_bytes()), tmp_path / "bomb")

import numpy as np
import pytest

from streamforest.detectors.random_cut_forest import (
    FIRST_SCORE,
    NEWEST,
    TREES,
    RandomCutForestDetector,
    RandomCutScorer,
)
from streamforest.features.vector import N_VECTOR

krcf = pytest.importorskip("krcf", reason="pip install -r streamforest/requirements/random-cut-forest.txt")
WIDTH = N_VECTOR + NEWEST


def vectors(n, seed=1):
    return np.random.default_rng(seed).exponential(0.3, (n, WIDTH)).astype(np.float32)


def taught(rows, seed=1):
    scorer = RandomCutScorer(seed)
    for row in rows:
        scorer.learn(row)
    return scorer


def test_the_score_is_krcfs_own():
    theirs = krcf.RandomCutForest({"dimensions": WIDTH, "shingle_size": 1, "num_trees": TREES, "random_seed": 5})
    ours = RandomCutScorer(5)
    for at, row in enumerate(vectors(500)):
        found = ours.score(row)
        assert np.isnan(found) if at < FIRST_SCORE else at < 256 or found == theirs.score(row.tolist())
        theirs.update(row.tolist())
        ours.learn(row)


def test_nothing_is_known_before_the_first_score():
    scorer = taught(vectors(FIRST_SCORE - 1))
    assert np.isnan(scorer.score(vectors(1)[0]))
    scorer.learn(vectors(1)[0])
    assert scorer.score(vectors(1)[0]) > 0.0


def test_a_far_vector_scores_higher_than_all_near_ones():
    scorer = taught(vectors(500))
    usual = [scorer.score(row) for row in vectors(200, seed=2)]
    assert scorer.score(np.full(WIDTH, 50.0, np.float32)) > max(usual)


def test_a_state_is_a_row_of_bytes_and_goes_on_with_the_same_forest():
    scorer = taught(vectors(600))
    state = scorer.state()
    assert [(name, array.dtype, array.ndim) for name, array in state.items()] == [("forest", np.uint8, 1)]
    other = RandomCutScorer(1)
    other.restore(state)
    for row in vectors(400, seed=3):
        assert other.score(row) == scorer.score(row)
        scorer.learn(row)
        other.learn(row)
    assert other.state()["forest"].tobytes() == scorer.state()["forest"].tobytes()


def test_a_state_that_is_damaged_or_of_another_forest_is_refused():
    state = taught(vectors(100)).state()
    with pytest.raises(ValueError, match="another seed"):
        RandomCutScorer(2).restore(state)
    for part, message in (
        (state["forest"][:1000], "damaged"),
        (np.empty(0, np.uint8), "damaged"),
        (state["forest"].astype(np.int64), "row of bytes"),
    ):
        with pytest.raises(ValueError, match=message):
            RandomCutScorer(1).restore({"forest": part})
    with pytest.raises(ValueError, match="row of bytes"):
        RandomCutScorer(1).restore({})


def test_a_jump_is_found_and_told_why():
    values = np.random.default_rng(1).normal(size=1500)
    values[1200] = 30.0
    verdict = RandomCutForestDetector(1, 1e-3).update_many(values)[1200]
    assert verdict["is_anomaly"]
    assert verdict["reason"] == 1

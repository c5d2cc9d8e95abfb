import numpy as np
import pytest

from streamforest.detectors.half_space_trees import TREES, WIDEST, HalfSpaceScorer, HalfSpaceTreesDetector
from streamforest.features.vector import N_VECTOR

pytest.importorskip("river", reason="pip install -r streamforest/requirements/half-space-trees.txt")


def vectors(n, seed=1):
    return np.random.default_rng(seed).exponential(0.3, (n, N_VECTOR)).astype(np.float32)


def taught(rows, seed=1):
    scorer = HalfSpaceScorer(seed)
    for row in rows:
        scorer.learn(row)
    return scorer


def test_the_score_is_the_inverse_of_rivers_mass():
    from river import anomaly  # noqa: PLC0415

    theirs, ours = anomaly.HalfSpaceTrees(n_trees=TREES, seed=5), HalfSpaceScorer(5)
    for row in vectors(600):
        x = dict(enumerate(np.minimum(row.astype(float) / WIDEST, 1.0).tolist()))
        expected = theirs.score_one(x)
        found = ours.score(row)
        assert np.isnan(found) if theirs._first_window else found == 1.0 / (1.0 - expected)
        theirs.learn_one(x)
        ours.learn(row)


def test_its_first_window_is_unknown_and_not_certainly_normal():
    scorer = taught(vectors(249))
    assert np.isnan(scorer.score(vectors(1)[0]))
    scorer.learn(vectors(1)[0])
    assert scorer.score(vectors(1)[0]) >= 1.0
    assert scorer.warm_up_points == 250


def test_a_far_vector_scores_higher_than_all_near_ones():
    scorer = taught(vectors(500))
    usual = [scorer.score(row) for row in vectors(200, seed=2)]
    assert scorer.score(np.full(N_VECTOR, 50.0, np.float32)) > max(usual)


def test_a_state_is_of_plain_arrays_and_goes_on_with_the_same_scores():
    scorer = taught(vectors(600))
    state = scorer.state()
    assert {array.dtype.kind for array in state.values()} == {"i", "f"}
    other = HalfSpaceScorer(1)
    other.restore(state)
    for row in vectors(400, seed=3):
        assert other.score(row) == scorer.score(row)
        scorer.learn(row)
        other.learn(row)
    assert not np.array_equal(state["counts"], scorer.state()["counts"])  # it was a copy


def test_the_state_of_trees_with_other_cuts_is_refused():
    with pytest.raises(ValueError, match="another seed"):
        HalfSpaceScorer(2).restore(taught(vectors(10)).state())
    for name in ("counts", "reference", "place", "cuts"):
        state = taught(vectors(10)).state()
        del state[name]
        with pytest.raises(ValueError, match=f"no {name}"):
            HalfSpaceScorer(1).restore(state)


def test_a_jump_is_found_and_told_why():
    values = np.random.default_rng(1).normal(size=1500)
    values[1200] = 30.0
    verdict = HalfSpaceTreesDetector(1, 1e-3).update_many(values)[1200]
    assert verdict["is_anomaly"]
    assert verdict["reason"] == 1

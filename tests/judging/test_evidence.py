import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streamforest.compiled import compiled
from streamforest.features.novelty import N_SIGNALS
from streamforest.judging import evidence
from streamforest.judging.evidence import EVIDENCE_DTYPE, FAR_OUT, NOVELTY_POINTS, carry_on, new_evidence, weigh
from tests.naive import NaiveEvidence

#: Of the few orders of magnitude that the parts before can give: logarithms, and radii of a huge number.
ISOLATIONS = st.floats(0.0, 1e3)
LOGARITHMS = st.floats(0.0, 800.0)
NOVELTIES = st.lists(st.floats(0.0, 1e300), min_size=N_SIGNALS, max_size=N_SIGNALS)
POINTS = st.tuples(ISOLATIONS, LOGARITHMS, LOGARITHMS, NOVELTIES)
NOTHING = (0.0, 0.0, 0.0, [0.0] * N_SIGNALS)


@compiled
def _weigh_all(state, isolations, strangenesses, stillnesses, novelties, scores):
    for i in range(scores.size):
        scores[i] = weigh(state[0], isolations[i], strangenesses[i], stillnesses[i], novelties[i])


def weigh_all(state, isolations, strangenesses=0.0, stillnesses=0.0, novelties=0.0):
    """Scores of points in a row, shape (n,); the state goes on."""
    n = len(isolations)
    parts = [np.ascontiguousarray(np.broadcast_to(p, n), float) for p in (isolations, strangenesses, stillnesses)]
    wide = np.broadcast_to(np.reshape(novelties, (-1, 1)) if np.ndim(novelties) == 1 else novelties, (n, N_SIGNALS))
    scores = np.empty(n)
    _weigh_all(state, *parts, np.ascontiguousarray(wide, float), scores)
    return scores


def stream(seed, n):
    """What a stream of some kind gives: isolation, strangeness, stillness and novelties, point by point."""
    rng = np.random.default_rng(seed)
    isolations = rng.exponential(rng.uniform(0.3, 3.0), n)
    strangenesses = np.abs(rng.normal(0.7, 0.3, n))
    stillnesses = rng.exponential(2.0, n) * (rng.random(n) < 0.05)
    novelties = rng.exponential(3.0, (n, N_SIGNALS)) * (rng.random((n, N_SIGNALS)) < 0.05)
    isolations[rng.random(n) < 0.01] += 10.0
    return isolations, strangenesses, stillnesses, novelties


def after(seed, n):
    """The state after n points of a stream."""
    state = new_evidence()
    weigh_all(state, *stream(seed, n))
    return state


def score_of(state, point):
    """Score of a point, were it the next; the state stays."""
    return float(weigh(state[0].copy(), *map(float, point[:3]), np.array(point[3])))


def pressed(part, more):
    """NOTHING with one part of it raised."""
    return tuple(
        [more] + [0.0] * (N_SIGNALS - 1) if k == part == 3 else more if k == part else NOTHING[k] for k in range(4)
    )


# The twin


@pytest.mark.parametrize("seed", range(4))
def test_every_score_is_what_the_slow_twin_gives(seed):
    parts = stream(seed, 2500)
    twin = NaiveEvidence()
    slow = [twin.weigh(*(p[i] for p in parts[:3]), parts[3][i].tolist()) for i in range(2500)]
    state = new_evidence()
    np.testing.assert_allclose(weigh_all(state, *parts), slow, rtol=1e-9)
    np.testing.assert_allclose(state["tail"][0], twin.tail, rtol=1e-9)
    assert state["points"][0] == 2500


# The range


@settings(max_examples=300, deadline=None)
@given(st.lists(POINTS, min_size=1, max_size=60), st.integers(1, 100))
@example([NOTHING], 100)
@example([NOTHING, (1e3, 800.0, 800.0, [1e300] * N_SIGNALS)], 100)
@example([(0.0, 0.0, 0.0, [5e-324] * N_SIGNALS)], 100)
def test_any_score_is_finite_at_least_0_and_below_1_and_the_state_stays_sound(points, repeats):
    isolations, strangenesses, stillnesses, novelties = (
        np.array(p, float) for p in zip(*points * repeats, strict=True)
    )
    state = new_evidence()
    scores = weigh_all(state, isolations, strangenesses, stillnesses, novelties)
    assert ((scores >= 0.0) & (scores < 1.0)).all()
    tail = state["tail"][0]
    assert np.isfinite(tail).all()
    assert 0.0 < tail[0] < tail[1] < tail[2]
    assert 0.0 <= state["recent"][0] <= 900.0


def test_where_there_is_nothing_the_score_is_0():
    assert (weigh_all(new_evidence(), np.zeros(3000)) == 0.0).all()


# Beyond the forest


@given(ISOLATIONS, st.floats(0.0, FAR_OUT))
def test_where_nothing_is_far_out_the_forest_has_the_word(isolation, highest):
    assert carry_on(isolation, highest) == pytest.approx(isolation, abs=1e-9)


@given(ISOLATIONS, st.floats(FAR_OUT, 60.0), st.floats(0.01, 5.0))
def test_of_points_that_the_forest_cannot_tell_apart_the_one_farther_out_counts_more(isolation, highest, more):
    assert isolation - 1e-9 <= carry_on(isolation, highest) < carry_on(isolation, highest + more) < np.inf


# More is more


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 5), st.sampled_from([0, 1, 50, 3000]), POINTS, st.integers(0, 3 + N_SIGNALS - 1), st.data())
def test_more_of_anything_never_lowers_the_score_of_that_point(seed, n, point, part, data):
    state = after(seed, n)
    more = [*point[:3], list(point[3])]
    grown = data.draw(st.floats(1.0, 1e3)) if part < 3 else data.draw(st.floats(1.0, 1e300))
    if part < 3:
        more[part] = point[part] * grown
    else:
        more[3][part - 3] = max(point[3][part - 3], grown)
    assert score_of(state, more) >= score_of(state, point) - 1e-12


@pytest.mark.parametrize(("part", "few", "many"), [(0, 3.0, 12.0), (1, 1.0, 4.0), (2, 1.0, 4.0), (3, 2.0, 50.0)])
def test_each_part_raises_the_score_by_itself(part, few, many):
    state = after(1, 3000)
    nothing, little, much = score_of(state, NOTHING), *(score_of(state, pressed(part, x)) for x in (few, many))
    assert nothing < little < much
    assert much > 1.3 * little


def test_a_shape_may_be_strange_or_still_and_the_greater_counts():
    state = after(2, 3000)
    both, strange = score_of(state, (1.0, 3.0, 2.0, NOTHING[3])), score_of(state, (1.0, 3.0, 0.0, NOTHING[3]))
    assert both == strange


def test_stillness_counts_without_the_forest():
    """As much as three quarters of it, where the forest finds nothing in a missing reading."""
    state = after(2, 3000)
    held = 2.0 * evidence.STILL_SHARE / evidence.SHAPE_SHARE
    assert score_of(state, (0.0, 0.0, 2.0, NOTHING[3])) == pytest.approx(score_of(state, (0.0, held, 0.0, NOTHING[3])))


# Novelty


@pytest.mark.parametrize("seen", [0, 1, 20, 200, 2000, 200_000])
def test_novelty_counts_little_while_little_was_seen(seen):
    state = new_evidence()
    state["points"] = seen
    total = np.log1p(9.0) * seen / (seen + NOVELTY_POINTS)
    found = score_of(state, (0.0, 0.0, 0.0, [9.0] * N_SIGNALS))
    assert found == pytest.approx(total / (total + evidence.HALF))
    if seen <= 20:
        assert found < 0.1


def test_novelty_alone_makes_a_score_high_in_the_end_and_in_one_signal_of_many_less():
    state = after(3, 20_000)
    all_new, one_new = score_of(state, (0.0, 0.0, 0.0, [50.0] * N_SIGNALS)), score_of(state, pressed(3, 50.0))
    assert all_new > 0.9
    assert 0.5 < one_new < all_new


def test_what_is_surprising_everywhere_is_not_surprising():
    """The stream's own scale: far more than the usual evidence is rare at first and common in the end."""
    state = after(4, 3000)
    scores = weigh_all(state, np.full(20_000, 25.0))
    assert scores[10] > 1.4 * scores[-1000:].max()
    assert scores[-1000:].max() < 0.2


# What goes on


def test_what_goes_on_weighs_more_than_a_flash():
    state = after(5, 5000)
    weigh_all(state, np.ones(50))
    flash = weigh_all(state.copy(), [9.0, 1.0, 1.0])
    lasting = weigh_all(state.copy(), [9.0, 9.0, 9.0])
    assert flash[0] == lasting[0] < lasting[1] < lasting[2]
    quiet = weigh_all(state.copy(), [1.0, 1.0, 1.0])
    assert flash[1] > flash[2] > quiet[2], "a flash is not forgotten at once"


def test_a_score_is_given_before_it_is_learned():
    state = after(6, 1000)
    before = state.copy()
    score = score_of(state, (9.0, 2.0, 0.0, NOTHING[3]))
    assert state.tobytes() == before.tobytes(), "the record that was asked is a copy"
    assert weigh(state[0], 9.0, 2.0, 0.0, np.zeros(N_SIGNALS)) == score
    assert (state["points"], before["points"]) == (1001, 1000)
    assert (state["tail"][0, :2] > before["tail"][0, :2]).all()


# The state


def test_a_state_has_a_fixed_size_and_streams_are_apart():
    states = new_evidence(3)
    assert states.shape == (3,)
    assert states.dtype == EVIDENCE_DTYPE
    assert states.nbytes == 3 * EVIDENCE_DTYPE.itemsize == 3 * 48
    weigh_all(states[1:2], [5.0] * 100)
    assert states[0].tobytes() == states[2].tobytes() == new_evidence()[0].tobytes() != states[1].tobytes()


@pytest.mark.parametrize("cut", [1, 3, 700])
def test_in_pieces_the_scores_are_the_same_bits(cut):
    parts = stream(7, 1500)
    whole, pieces = new_evidence(), new_evidence()
    expected = weigh_all(whole, *parts)
    found = [weigh_all(pieces, *(p[a:b] for p in parts)) for a, b in ((0, cut), (cut, 1500))]
    assert np.concatenate(found).tobytes() == expected.tobytes()
    assert pieces.tobytes() == whole.tobytes()
    assert math.isfinite(expected.sum())

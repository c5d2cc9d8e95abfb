import numpy as np
import pytest

from streamforest.compiled import compiled
from streamforest.features import recurrence
from streamforest.features.observe import FEATURES_DTYPE, new_state

seeds = pytest.mark.parametrize("seed", range(5), ids="seed {}".format)


@compiled
def _take(states, at, offs, kinds, points, share, foreseen, usual):
    state = states[0]
    for i in range(at.size):
        state.count = at[i]
        foreseen[i] = recurrence.is_foreseen(state, offs[i])
        usual[i] = recurrence.is_usual_size(state, offs[i], share)
        recurrence.remember_excursion(state, offs[i])
        recurrence.end_excursion(state, kinds[i])
        recurrence.count_points(state, points)


def take(at, offs=10.0, kinds=recurrence.OUTLIER, points=1, share=0.0):
    """Whether each of some excursions was foreseen when it began, and was of the usual size; the state after them."""
    at = np.asarray(at, dtype=np.int64)
    offs, kinds = (np.broadcast_to(given, at.shape).copy() for given in (np.asarray(offs, dtype=float), kinds))
    states, foreseen, usual = new_state(), np.zeros(at.size, dtype=bool), np.zeros(at.size, dtype=bool)
    _take(states, at, offs, kinds, points, share, foreseen, usual)
    return foreseen, usual, states[0]


def at_random(seed, share=0.02, points=20_000):
    """Points of excursions with no regular interval."""
    return np.flatnonzero(np.random.default_rng(seed).random(points) < share)


# Intervals


@pytest.mark.parametrize("interval", [12, 24, 60, 288, 1440, 10_080])
def test_a_regular_interval_is_foreseen_after_several_repeats_and_from_then_on(interval):
    foreseen = take(interval * np.arange(1, 40))[0]
    first = int(np.argmax(foreseen))
    assert 3 <= first <= 10
    assert foreseen[first:].all()


@seeds
@pytest.mark.parametrize("interval", [60, 1440])
def test_an_interval_that_varies_by_a_point_is_foreseen(interval, seed):
    at = interval * np.arange(1, 40) + np.random.default_rng(seed).integers(0, 2, 39)
    assert take(at)[0][12:].mean() > 0.9


@seeds
def test_a_daily_job_that_begins_some_minutes_early_or_late_is_foreseen(seed):
    at = 1440 * np.arange(1, 40) + np.random.default_rng(seed).integers(-5, 6, 39)
    assert take(at)[0][12:].mean() > 0.9


@seeds
@pytest.mark.parametrize("share", [0.005, 0.02])
def test_excursions_at_random_points_are_not_foreseen(share, seed):
    foreseen = take(at_random(seed, share, 60_000))[0]
    assert foreseen.mean() <= 0.02


@seeds
def test_two_at_an_interval_foretell_no_third(seed):
    at = np.sort(np.random.default_rng(seed).integers(0, 20_000, 3))
    assert not take(at)[0].any()
    assert not take([1000, 1400, 1800])[0].any()


def test_one_that_is_missed_leaves_the_next_foreseen():
    at = np.delete(60 * np.arange(1, 40), 25)
    assert take(at)[0][12:].all()


def test_others_at_random_points_between_do_not_hide_an_interval():
    rng = np.random.default_rng(1)
    regular, others = 288 * np.arange(1, 40), rng.integers(0, 40 * 288, 20)
    at = np.unique(np.r_[regular, others])
    assert take(at)[0][np.isin(at, regular)][20:].mean() > 0.9


@pytest.mark.parametrize("off", [-10.0, 25.0])
def test_one_of_the_other_sign_or_far_greater_is_not_foreseen(off):
    offs = np.r_[np.full(30, 10.0), off]
    foreseen = take(60 * np.arange(1, 32), offs)[0]
    assert foreseen[29]
    assert not foreseen[30]


def test_a_level_that_stayed_foretells_nothing():
    assert not take(60 * np.arange(1, 40), kinds=recurrence.NEW_LEVEL)[0].any()


# Sizes


def test_excursions_of_one_size_in_a_large_share_of_the_points_are_a_state():
    assert take(at_random(1), points=2, share=0.1)[1][recurrence.NEWEST :].all()


def test_single_points_are_one_only_in_a_share_that_no_outliers_have():
    assert not take(at_random(1), share=0.2)[1].any()
    assert take(at_random(1), share=0.5)[1][recurrence.NEWEST :].all()


def test_they_are_none_where_such_points_are_rare():
    assert not take(at_random(1), share=0.02)[1].any()


@seeds
def test_they_are_none_where_their_sizes_differ(seed):
    at = at_random(seed)
    sizes = np.exp(np.random.default_rng(seed).uniform(np.log(6.0), np.log(40.0), at.size))
    assert take(at, sizes, share=0.1)[1].mean() < 0.02


def test_they_are_none_before_16_have_been_seen():
    usual = take(at_random(1), points=2, share=0.9)[1]
    assert np.argmax(usual) == recurrence.NEWEST


def test_another_size_than_the_usual_one_is_no_state():
    usual = take(np.arange(1, 42) * 7, np.r_[np.full(40, 10.0), 14.0], share=0.9)[1]
    assert usual[39]
    assert not usual[40]


# Outliers as a rule


@compiled
def _judge(states, at, kinds, off, share):
    state = states[0]
    for i in range(at.size):
        state.count = at[i]
        recurrence.remember_excursion(state, off)
        recurrence.end_excursion(state, kinds[i])
    return recurrence.are_outliers(state, off, share)


def outliers_after(at, kinds, share=0.0):
    """Whether one more excursion is an outlier right after some of its size."""
    at = np.asarray(at, dtype=np.int64)
    return bool(_judge(new_state(), at, np.broadcast_to(kinds, at.shape).astype(np.int64), 10.0, share))


@pytest.mark.parametrize(("every", "rule"), [(40, False), (500, False), (2000, True)])
def test_long_excursions_are_no_outliers_where_they_come_often(every, rule):
    assert outliers_after(every * np.arange(1, 41), recurrence.USUAL) is rule


def test_many_long_excursions_in_a_burst_are_one_event():
    assert outliers_after(5000 + 3 * np.arange(12), recurrence.USUAL)
    assert not outliers_after(5000 + 40 * np.arange(12), recurrence.USUAL)


def test_one_long_excursion_in_eight_leaves_the_rest_outliers():
    kinds = np.where(np.arange(60) % 8 == 0, recurrence.USUAL, recurrence.OUTLIER)
    assert outliers_after(50 * np.arange(1, 61), kinds)
    kinds = np.where(np.arange(60) % 3 == 0, recurrence.USUAL, recurrence.OUTLIER)
    assert not outliers_after(50 * np.arange(1, 61), kinds)


# Memory


@pytest.mark.parametrize("power", [-20, 20])
def test_another_unit_changes_nothing(power):
    at, offs = at_random(3), np.random.default_rng(3).normal(size=at_random(3).size)
    for one, other in zip(take(at, offs, share=0.3)[:2], take(at, offs * 2.0**power, share=0.3)[:2], strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_newest_64_excursions_are_kept():
    state = take(60 * np.arange(1, 101))[2]
    assert state["excursions"] == 100
    assert sorted(state["excursion_at"]) == (60 * np.arange(37, 101)).tolist()


def test_memory_is_small():
    names = [field[0] for field in recurrence.FIELDS]
    assert sum(FEATURES_DTYPE[name].itemsize for name in names) < 1024

import numpy as np
import pytest
from scipy import stats

from streamforest.compiled import compiled
from streamforest.features import band, recurrence
from streamforest.features.observe import FEATURES_DTYPE, new_state
from streamforest.features.vector import new_buffers

RATE = 0.001
#: What is kept of each value.
FOLLOWED = np.dtype(
    [(name, "f8") for name, *_ in band.BAND_FIELDS] + [(name, "f8") for name in ("upper", "lower", "scale", "jump")]
)
seeds = pytest.mark.parametrize("seed", range(3), ids="seed {}".format)
sides = pytest.mark.parametrize("side", [0, 1], ids=["up", "down"])


@compiled
def _follow(states, values, rate, followed):
    state, buffers, level = states[0], new_buffers()[0], 0.0
    if state.count == 0:
        band.begin_band(state)
    for i in range(values.size):
        band.look_at_band(state, rate, level)
        followed[i].upper, followed[i].lower = band.half_width(state, 0), band.half_width(state, 1)
        followed[i].scale = state.scale
        band.hold_against_band(state, values[i], level, buffers)
        followed[i].residual, followed[i].excess, followed[i].reach = buffers.residual, buffers.excess, buffers.reach
        followed[i].is_far, followed[i].is_alone = buffers.is_far, buffers.is_alone
        followed[i].is_outlier, followed[i].is_foreseen = buffers.is_outlier, buffers.is_foreseen
        followed[i].is_back, followed[i].bounded = buffers.is_back, buffers.bounded
        followed[i].jump = np.nan
        if band.learn_band(state, buffers.bounded, level, rate, buffers):
            level = followed[i].jump = state.new_level
        state.last = buffers.bounded
        state.ring[state.count % state.ring.size] = np.float32(buffers.bounded)
        state.count += 1


def follow(values, rate=RATE):
    """What is found at each value, around a level that starts at 0 and jumps only; and the state after them."""
    values, states = np.asarray(values, dtype=float), new_state()
    followed = np.zeros(values.size, dtype=FOLLOWED)
    _follow(states, values, rate, followed)
    return followed, states[0]


def gaussian(points, seed):
    return np.random.default_rng(seed).normal(size=points)


def with_outliers(points, seed, share):
    """Gaussian residuals, of which a share is 15 to 40 deviations up or down; and where."""
    rng = np.random.default_rng([seed, 5])
    values, where = gaussian(points, seed), rng.random(points) < share
    values[where] = rng.uniform(15.0, 40.0, where.sum()) * rng.choice([-1.0, 1.0], where.sum())
    return values, where


# The band


@seeds
@pytest.mark.parametrize("rate", [0.001, 0.01])
def test_the_band_of_gaussian_residuals_ends_near_the_quantile_asked_for(rate, seed):
    found = follow(gaussian(20_000, seed), rate)[0][10_000:]
    quantile = max(stats.norm.isf(rate / 2.0), band.NARROWEST * band.GAUSSIAN_MEDIAN)
    for side in ("upper", "lower"):
        assert found[side].mean() == pytest.approx(quantile, rel=0.15)


@sides
def test_each_side_has_an_edge_of_its_own(side):
    values = gaussian(20_000, 1)
    is_wide = values < 0.0 if side else values > 0.0
    values[is_wide] *= 2.0
    found = follow(values)[0][10_000:]
    upper, lower = found["upper"].mean(), found["lower"].mean()
    wide, narrow = (lower, upper) if side else (upper, lower)
    assert wide > 1.5 * narrow


@pytest.mark.parametrize("factor", [3.0, 0.05])
def test_the_scale_follows_residuals_of_another_size(factor):
    values = gaussian(12_000, 1)
    values[2000:] *= factor
    state = follow(values)[1]
    assert state["scale"] == pytest.approx(factor * band.GAUSSIAN_MEDIAN, rel=0.25)


def test_the_scale_of_a_constant_is_the_finest():
    assert follow(np.r_[gaussian(500, 1), np.tile([0.0, 1e-6], 2000)])[1]["scale"] == band.FINEST_SCALE


# Outliers behind a gap


@seeds
@pytest.mark.parametrize("share", [0.01, 0.05])
def test_outliers_behind_a_gap_widen_neither_the_band_nor_the_scale(share, seed):
    values, _ = with_outliers(20_000, seed, share)
    with_them, without = (follow(given)[0][10_000:] for given in (values, gaussian(20_000, seed)))
    assert with_them["scale"].mean() == pytest.approx(without["scale"].mean(), rel=0.05)
    for side in ("upper", "lower"):
        assert with_them[side].mean() == pytest.approx(without[side].mean(), rel=0.15)


@seeds
def test_outliers_at_a_tenth_of_the_points_do_not_move_the_scale(seed):
    values, _ = with_outliers(20_000, seed, 0.1)
    with_them, without = (follow(given)[0][10_000:] for given in (values, gaussian(20_000, seed)))
    assert with_them["scale"].mean() == pytest.approx(without["scale"].mean(), rel=0.1)


@compiled
def _look_at(states, sizes):
    state = states[0]
    band.begin_band(state)
    state.scale_points = 1e6
    for size in sizes:
        band._enter(state, 0, size)
    band._look(state, 0, RATE)


@seeds
@pytest.mark.parametrize("share", [0.01, 0.1, 0.2])
def test_however_many_outliers_lie_behind_the_gap_the_edge_is_that_of_the_others(share, seed):
    """In the histogram, while the excursions are outliers as a rule."""
    values, where = with_outliers(8000, seed, share)
    edges = []
    for sizes in (values, values[~where]):
        states = new_state()
        _look_at(states, np.abs(sizes) / band.GAUSSIAN_MEDIAN)
        edges.append(states[0]["edge"][0])
    assert edges[0] == pytest.approx(edges[1], rel=0.1)


def test_where_excursions_are_no_outliers_the_band_goes_out_to_them():
    values, _ = with_outliers(8000, 1, 0.1)
    states = new_state()
    _look_at_excursions(states, np.abs(values) / band.GAUSSIAN_MEDIAN)
    assert states[0]["edge"][0] > 15.0 / band.GAUSSIAN_MEDIAN


@compiled
def _look_at_excursions(states, sizes):
    _look_at(states, sizes)
    for _ in range(20):
        states[0].count += recurrence.APART
        recurrence.remember_excursion(states[0], np.max(sizes) * states[0].scale)
        recurrence.end_excursion(states[0], recurrence.USUAL)
    states[0].largest_usual[0] = recurrence.largest_usual(states[0], 1.0, 0.0)
    band._look(states[0], 0, RATE)


@seeds
@pytest.mark.parametrize("share", [0.01, 0.05])
def test_outliers_behind_a_gap_are_found_however_often_they_come(share, seed):
    values, where = with_outliers(20_000, seed, share)
    is_outlier = follow(values)[0]["is_outlier"][2000:] > 0.0
    where = where[2000:]
    assert is_outlier[where].mean() > 0.98
    assert is_outlier[~where].mean() < 0.001


@seeds
def test_a_heavy_tail_is_no_population_of_its_own(seed):
    """Student's t with 3 degrees of freedom: the band goes out to its quantile."""
    found, state = follow(np.random.default_rng(seed).standard_t(3, 30_000))
    quantile = stats.t.isf(RATE / 2.0, 3)
    for side in ("upper", "lower"):
        assert 0.7 * quantile < found[side][15_000:].mean() < 1.5 * quantile
    assert np.isinf(state["cap"]).all()


# One wild reading


def test_a_reading_of_1e9_moves_no_more_than_an_ordinary_far_one():
    values = gaussian(6000, 1)
    found, states = [], []
    for size in (1e3, 1e9):
        values[4000] = size
        one, state = follow(values)
        found.append(one)
        states.append(state)
    for name in ("upper", "lower", "is_far", "is_outlier"):
        np.testing.assert_array_equal(found[0][name], found[1][name])
    np.testing.assert_array_equal(found[0]["bounded"], found[1]["bounded"])
    for name in ("scale", "edge", "stretch", "cap", "far_share"):
        np.testing.assert_array_equal(states[0][name], states[1][name])


@sides
def test_what_is_learned_of_a_wild_reading_is_30_half_widths_off(side):
    sign = -1.0 if side else 1.0
    found = follow(np.r_[gaussian(2000, 1), sign * 1e9])[0][-1]
    assert found["bounded"] == sign * band.BOUND * found["lower" if side else "upper"]


def test_what_is_learned_of_a_usual_value_is_the_value():
    values = gaussian(3000, 1)
    np.testing.assert_array_equal(follow(values)[0]["bounded"], values)


# Levels


@sides
@pytest.mark.parametrize("stay", [1, 2, 3, 4, 5, 6])
def test_a_level_that_stays_for_five_points_is_the_new_one(stay, side):
    values, sign = gaussian(2000, 1), -1.0 if side else 1.0
    values[1500 : 1500 + stay] += sign * 12.0
    found = follow(values)[0]
    jumps = np.flatnonzero(~np.isnan(found["jump"]))
    if stay < band.SETTLED:
        assert not jumps.size
    else:
        assert jumps[0] == 1500 + band.SETTLED - 1
        assert found["jump"][jumps[0]] == pytest.approx(sign * 12.0, abs=2.0)


def test_only_its_first_two_points_are_outliers():
    values = gaussian(2000, 1)
    values[1500:] += 12.0
    where = np.flatnonzero(follow(values)[0]["is_outlier"][1000:]) + 1000
    assert where.tolist() == [1500, 1501]


def test_outliers_in_a_row_that_are_not_alike_are_outliers_all():
    values = gaussian(2000, 1)
    values[1500:1504] = (20.0, -20.0, 30.0, -30.0)
    assert follow(values)[0]["is_outlier"][1500:1504].all()


def test_the_peak_of_an_excursion_that_climbs_is_marked_though_its_first_points_lie_inside_the_band():
    values = gaussian(3000, 1)
    values[2500:2508] = (4.2, 15.0, 25.0, 35.0, 45.0, 55.0, 40.0, 20.0)
    found = follow(values)[0][2500:2508]
    assert found["is_outlier"][1:5].all()
    assert found["is_outlier"].sum() == band.MOST_IN_A_ROW


@seeds
def test_bursts_of_three_points_at_random_stand_out_each_time(seed):
    """One in a hundred points begins one: 20 to 40 deviations."""
    rng = np.random.default_rng([seed, 3])
    values, starts = gaussian(10_000, seed), np.flatnonzero(rng.random(9990) < 0.01)
    for start in starts:
        values[start : start + 3] = rng.uniform(20.0, 40.0, 3)
    found, state = follow(values)
    late = starts[starts > 1000]
    assert np.mean([found["is_outlier"][start : start + 3].any() for start in late]) >= 0.95
    assert band.half_width(state, 0) < 10.0


def test_a_heavy_tail_is_marked_farther_outside_its_band_than_a_gaussian():
    heavy = np.random.default_rng(1).standard_t(3, 20_000)
    near, far = (follow(values)[1]["margin"] for values in (gaussian(20_000, 1), heavy))
    assert near.max() < 1.35 < far.min()


def test_before_the_tail_is_known_outliers_are_marked_at_one_and_a_half_half_widths():
    assert follow(gaussian(900, 1))[1]["margin"].tolist() == [band.OUTSIDE, band.OUTSIDE]


def test_a_residual_of_nothing_but_rounding_is_on_the_lower_side():
    states = [follow([*gaussian(500, 1), off])[1] for off in (0.0, 1e-12, -1e-12)]
    assert states[0]["stretch"].tolist() == states[1]["stretch"].tolist() == states[2]["stretch"].tolist()


def test_the_level_before_a_jump_comes_back_with_its_second_point_and_is_no_outlier():
    values = gaussian(2000, 1)
    values[1500:1520] += 12.0
    found = follow(values)[0]
    assert found["is_back"][1520]
    assert found["jump"][1521] == values[1521]
    assert not found["is_outlier"][1520:].any()


def test_an_old_level_is_forgotten_in_time():
    values, stay = gaussian(3000, 1), int(band.RETURN) + 10
    values[1500 : 1500 + stay] += 12.0
    found = follow(values)[0]
    assert not found["is_back"][1500 + stay]
    assert found["is_outlier"][1500 + stay]


# The histogram


@compiled
def _scaled_up(state, times):
    for side in range(2):
        state.weight[side] *= times
        for i in range(band.BINS):
            state.histogram[side, i] = np.float32(state.histogram[side, i] * times)


@compiled
def _entered(state, sizes):
    for size in sizes:
        band._enter(state, 0, size)
    band._look(state, 0, 0.001)


def test_bringing_the_weight_back_to_1_changes_no_quantile():
    """A histogram that is about to exceed 1e6, and the same one far from it; powers of 2 round alike."""
    sizes = np.abs(gaussian(3000, 2)) / band.GAUSSIAN_MEDIAN
    states = []
    for times in (1.0, 2.0**19.5):
        state = new_state()
        _prepare(state, sizes)
        _scaled_up(state[0], times)
        _entered(state[0], sizes)
        states.append(state[0])
    plain, brought_back = states
    assert brought_back["weight"][0] < 1e5, "it was brought back"
    for name in ("edge", "bulk", "cap"):
        np.testing.assert_allclose(brought_back[name], plain[name], rtol=1e-4)


@compiled
def _prepare(states, sizes):
    band.begin_band(states[0])
    states[0].scale_points = 1e6
    _entered(states[0], sizes)


@compiled
def _quantile_of(beyond, top, share):
    return band._quantile(beyond, top, share)


def test_a_quantile_is_exact_at_the_edge_of_a_bin():
    counts = np.random.default_rng(1).integers(1, 50, band.BINS).astype(float)
    beyond = np.r_[np.cumsum(counts[::-1])[::-1], 0.0]
    for i in range(1, band.BINS):
        assert _quantile_of(beyond, band.BINS, beyond[i] / beyond[0]) == pytest.approx(band.EDGES[i], rel=1e-9)


def test_memory_is_small():
    names = [field[0] for field in band.FIELDS]
    assert sum(FEATURES_DTYPE[name].itemsize for name in names) < 2048

import numpy as np
import pytest

from streamforest import StreamDetector
from streamforest.compiled import compiled
from streamforest.features import habits
from streamforest.features.observe import FEATURES_DTYPE, new_state, observe
from streamforest.features.vector import new_buffers
from streamforest.protocols import REASONS, explain

TOO_LONG, WENT_BACK, SEASON_BREAK = habits.TOO_LONG, habits.WENT_BACK, habits.SEASON_BREAK


@compiled
def _follow(states, values, reasons, excesses):
    scratch = new_buffers()
    for i in range(values.size):
        observe(states[0], values[i], np.nan, 0.001, scratch[0])
        reasons[i], excesses[i] = scratch[0].habit_reason, scratch[0].habit_excess


def follow(values, states=None):
    """Reasons and excesses of the habits that values break, and the state after them."""
    values = np.asarray(values, dtype=float)
    states = new_state() if states is None else states
    reasons, excesses = np.zeros(values.size, dtype=int), np.zeros(values.size)
    _follow(states, values, reasons, excesses)
    return reasons, excesses, states[0]


def broken(values, reason):
    """Where values break a habit."""
    return np.flatnonzero(follow(values)[0] == reason)


def device(points, stuck=None, length=0, on=10, off=20, seed=1):
    """A device that is on and off in turn; from index ``stuck`` on it stays as it is for ``length`` readings more."""
    rng = np.random.default_rng(seed)
    states: list[bool] = []
    is_on = False
    while len(states) < points:
        states += [is_on] * int((on if is_on else off) * rng.uniform(0.8, 1.2))
        is_on = not is_on
    if stuck is not None:
        states[stuck:stuck] = [states[stuck]] * length
    level = np.where(states[:points], 100.0, 2.0)
    return level * (1.0 + 0.02 * rng.normal(size=points))


def counter(points, seed=1):
    """A total that grows by steps of a gamma distribution."""
    return 5000.0 + np.cumsum(np.random.default_rng(seed).gamma(2.0, 0.5, points))


def daily(days, seed=1, length=96):
    """An arch by day, nothing by night, and clouds that cover up to a quarter of a day."""
    rng = np.random.default_rng(seed)
    hour = np.arange(days * length) % length / length
    arch = np.maximum(np.sin(2 * np.pi * (hour - 0.25)), 0.0)
    return 3000.0 * arch * np.repeat(rng.uniform(0.8, 1.0, days), length) * (1 + 0.03 * rng.normal(size=hour.size))


# Stays


@pytest.mark.parametrize(("on", "off"), [(10, 20), (20, 10), (3, 40)])
@pytest.mark.parametrize("seed", range(4))
def test_a_device_that_stays_for_ten_times_its_longest_is_told_before_it_ends(on, off, seed):
    values = device(6000, 4000, 12 * max(on, off), on, off, seed)
    where = broken(values, TOO_LONG)
    assert where.size
    assert where.min() > 4000
    assert where.max() < 4000 + 12 * max(on, off)


@pytest.mark.parametrize("seed", range(4))
def test_no_more_than_the_first_readings_of_a_stay_are_told(seed):
    assert broken(device(9000, 4000, 3000, seed=seed), TOO_LONG).size == habits.MARKED


def test_a_device_that_does_as_ever_is_not_told():
    for seed in range(5):
        assert not broken(device(20_000, seed=seed), TOO_LONG).size


def test_a_stay_is_not_told_before_enough_have_ended():
    assert not broken(device(1500, 300, 900, 10, 20)[:1300], TOO_LONG).size


def test_one_long_stay_does_not_hide_the_next():
    values = np.concatenate([device(4000, 3000, 600), device(4000, 3000, 600, seed=2)])
    where = broken(values, TOO_LONG)
    assert ((where > 3000) & (where < 4000)).any()
    assert ((where > 7000) & (where < 8000)).any()


def test_a_level_that_was_never_there_is_no_stay():
    values = device(5000)
    values[4000:] = 50_000.0
    assert not broken(values, TOO_LONG).size


def test_one_wild_reading_changes_no_stay():
    values = device(6000, 4000, 300)
    wild = values.copy()
    wild[3000] = 1e11
    np.testing.assert_array_equal(broken(values, TOO_LONG), broken(wild, TOO_LONG))


@pytest.mark.parametrize("kind", ["noise", "walk", "sine", "heavy", "ramp"])
def test_streams_without_two_levels_have_no_stays(kind):
    rng, n = np.random.default_rng(3), 20_000
    noise = rng.normal(size=n)
    values = {
        "noise": noise,
        "walk": np.cumsum(noise),
        "sine": 4.0 * np.sin(np.arange(n) / 15.0) + noise,
        "heavy": rng.standard_t(2, n),
        "ramp": np.arange(n) * 0.01 + noise,
    }[kind]
    reasons, _, state = follow(values)
    assert not np.count_nonzero(reasons)
    assert state["level"] == 0


def test_levels_are_where_the_gap_is():
    values = np.sort(np.concatenate([np.full(400, 1.0), np.full(112, 9.0)])).astype(np.float32)
    low, high = habits.find_levels(values)
    assert low == 1.0
    assert high == 9.0


def test_values_all_alike_have_no_levels():
    assert np.isnan(habits.find_levels(np.zeros(512, dtype=np.float32))).all()


# Counters


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("back", [0.8, 3.0, 1e3, 1e9])
def test_a_total_that_goes_back_is_told_at_that_reading(sign, back):
    values = counter(3000)
    values[2000:] -= back + values[2000] - values[1999]
    assert broken(sign * values, WENT_BACK)[0] == 2000


def test_a_total_that_goes_back_for_one_reading_is_told_once():
    values = counter(3000)
    values[2000] = values[1999] - 2.0
    assert broken(values, WENT_BACK).tolist() == [2000]


def test_a_total_that_only_grows_is_not_told():
    assert not broken(counter(20_000), WENT_BACK).size


def test_what_goes_back_again_and_again_is_told_once():
    values = np.concatenate([counter(500, seed) - 5000.0 for seed in range(20)])
    assert np.unique(broken(values, WENT_BACK) // 500).tolist() == [1]


def test_a_wild_reading_is_no_way_back_that_hides_the_next():
    values = counter(3000)
    values[1000] = 1e12
    values[2000:] -= 3.0
    assert 2000 in broken(values, WENT_BACK)


def test_rounding_is_no_way_back():
    values = np.repeat(counter(3000), 2) * (1.0 + 1e-15 * np.random.default_rng(1).normal(size=6000))
    assert not broken(values, WENT_BACK).size


def test_a_slow_wave_that_turns_is_no_way_back():
    assert not broken(np.sin(2 * np.pi * np.arange(8000) / 2000.0), WENT_BACK).size


def test_noise_goes_no_way():
    rng = np.random.default_rng(5)
    assert not broken(rng.normal(size=20_000), WENT_BACK).size
    assert not broken(np.cumsum(rng.normal(size=20_000)), WENT_BACK).size


# Seasons


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("share", [0.0, 0.4])
def test_a_day_that_adds_up_to_much_less_is_told_on_that_day(seed, share):
    values = daily(30, seed)
    values[24 * 96 : 25 * 96] *= share
    where = broken(values, SEASON_BREAK)
    assert ((where >= 24 * 96) & (where < 25 * 96)).any()
    assert where.size == habits.MARKED


@pytest.mark.parametrize("seed", range(3))
def test_what_stays_is_told_once(seed):
    values = daily(60, seed)
    values[24 * 96 :] *= 0.4
    assert 0 < broken(values, SEASON_BREAK).size <= habits.MARKED


@pytest.mark.parametrize("seed", range(5))
def test_days_that_are_as_ever_are_not_told(seed):
    assert not broken(daily(60, seed), SEASON_BREAK).size


# All


@pytest.mark.parametrize(
    "values", [device(6000, 4000, 300), counter(6000), daily(63)], ids=["device", "counter", "daily"]
)
@pytest.mark.parametrize(("scale", "offset"), [(2.0**20, 0.0), (2.0**-20, 0.0), (1000.0, 3e6), (-1.0, 0.0)])
def test_another_unit_gives_the_same_reasons(values, scale, offset):
    values = values.copy()
    values[5000] -= 2.5
    np.testing.assert_array_equal(follow(values)[0], follow(values * scale + offset)[0])


def test_excess_is_above_1_just_where_there_is_a_reason():
    for values in (device(6000, 4000, 300), daily(40) * (np.arange(40 * 96) < 30 * 96)):
        reasons, excesses, _ = follow(values)
        assert reasons.any()
        np.testing.assert_array_equal(reasons > 0, excesses > 1.0)
        np.testing.assert_array_equal(reasons == 0, excesses == 0.0)


def test_missing_readings_break_no_habit():
    values = daily(60)
    values[::7] = np.nan
    assert not np.count_nonzero(follow(values)[0])


def test_memory_is_small():
    names = [field[0] for field in habits.FIELDS]
    assert sum(FEATURES_DTYPE[name].itemsize for name in names) < 256


@pytest.mark.parametrize("reason", [TOO_LONG, WENT_BACK])
def test_a_value_inside_its_band_is_not_held_against_it_in_words(reason):
    assert explain(reason, 5.0, 5.0, 4.0, 6.0) == f"{REASONS[reason]}: 5"


@pytest.mark.parametrize(
    ("reason", "values", "at"),
    [
        (TOO_LONG, device(6000, 4000, 300), slice(4000, 4300)),
        (WENT_BACK, counter(6000) - 2.0 * (np.arange(6000) == 4000), slice(4000, 4001)),
        (SEASON_BREAK, daily(30) * (np.arange(30 * 96) < 24 * 96), slice(24 * 96, 25 * 96)),
    ],
    ids=["too long", "counter went back", "season break"],
)
def test_a_broken_habit_is_an_anomaly_that_is_told_so(model, reason, values, at):
    verdicts = StreamDetector(model, 0.001).update_many(values)
    where = np.flatnonzero(follow(values)[0] == reason)
    assert verdicts["is_anomaly"][where].all()
    assert (verdicts["p_value"][where] < 0.001).all()
    reported = verdicts[at][verdicts["is_anomaly"][at]]
    assert reason in reported["reason"]

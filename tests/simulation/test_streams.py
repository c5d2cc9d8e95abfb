import tracemalloc
from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamforest.protocols import LABELS, NORMAL
from streamforest.simulation import streams as simulation
from streamforest.simulation.streams import (
    BLOCK,
    FIRST_EVENT,
    KINDS,
    LONG_COVER,
    NOISES,
    OPENING_POINTS,
    PAIR_SHARE,
    SHORT_KINDS,
    Event,
    Season,
    SimulatedStream,
    StreamProfile,
    default_profile,
    random_profile,
    random_shape,
)

SMOOTH = StreamProfile(100.0, 1.0, seasons=(Season(50, 5.0 * np.sin(2 * np.pi * np.arange(50) / 50)),))
#: Nothing but the level and a noise of 1: what stands out was injected.
BARE = StreamProfile(100.0, 1.0)


def events(labels, kind):
    """First index and index after the last of each stretch of a kind."""
    is_kind = np.r_[False, labels == LABELS.index(kind), False]
    edges = np.flatnonzero(np.diff(is_kind))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def only(kind, profile=BARE, points=60_000, seed=1, probability=0.02):
    values, labels = SimulatedStream(profile, seed, probability, (kind,)).take(points)
    found = [(start, end) for start, end in events(labels, kind) if start > 0 and end < points]
    assert len(found) >= 5
    return values, labels, found


# The same points, however they are taken


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 2500), min_size=1, max_size=8), st.integers(0, 5), st.sampled_from([0.0, 0.05, 0.5]))
def test_pieces_of_any_size_give_the_same_bits(pieces, seed, share):
    profile = random_profile(np.random.default_rng(seed))
    whole = SimulatedStream(profile, seed, share).take(sum(pieces))
    stream = SimulatedStream(profile, seed, share)
    taken = [stream.take(n) for n in pieces]
    for at in range(2):
        assert np.concatenate([part[at] for part in taken]).tobytes() == whole[at].tobytes()


def test_the_same_seed_gives_the_same_points_and_another_others():
    one, same, other = (SimulatedStream(default_profile(), seed, 0.02).take(5000)[0] for seed in (1, 1, 2))
    assert one.tobytes() == same.tobytes()
    assert one.tobytes() != other.tobytes()


def test_shapes_and_types_are_as_promised():
    values, labels = SimulatedStream(default_profile(), 1).take(10)
    assert (values.shape, values.dtype) == ((10,), np.float64)
    assert (labels.shape, labels.dtype) == ((10,), np.int8)


# How many anomalies


def made(profile, seed, probability, points, kinds=KINDS):
    """Values, labels and events of the first points; these end where a block ends."""
    assert points % BLOCK == 0
    stream, events = SimulatedStream(profile, seed, probability, kinds), []
    stream.on_event = events.append
    return *stream.take(points), events


@pytest.mark.parametrize(
    ("profile", "probability"),
    [*product([default_profile()], (0.005, 0.02, 0.1, 0.3)), *product([BARE], (0.05, 0.2, 0.5))],
    ids=lambda of: str(of) if isinstance(of, float) else ("default" if of.seasons else "without a season"),
)
def test_as_many_events_begin_as_asked_for_and_most_points_are_normal_or_single(profile, probability):
    points = 200 * BLOCK
    _, labels, events = made(profile, 3, probability, points)
    assert len(events) / points == pytest.approx(probability, rel=0.05)
    is_long = ~np.isin(labels, [NORMAL, *(LABELS.index(kind) for kind in SHORT_KINDS)])
    assert np.mean(is_long) < 1.2 * LONG_COVER
    short = np.array([event.end - event.start for event in events if event.kind in SHORT_KINDS])
    assert short.size > 0.8 * len(events)
    assert np.mean(short == 2) == pytest.approx(PAIR_SHARE, rel=0.25)
    assert np.mean(short == 1) + np.mean(short == 2) == 1.0


@pytest.mark.parametrize("kind", ["level shift", "missing"])
def test_long_kinds_alone_cover_no_more_points_than_among_others(kind):
    for probability in (0.0005, 0.5):
        _, labels, events = made(BARE, 3, probability, 400 * BLOCK, (kind,))
        assert np.mean(labels != NORMAL) < 1.15 * LONG_COVER
        if probability < 0.001:
            assert len(events) / labels.size == pytest.approx(probability, rel=0.2)


def test_the_long_kinds_come_in_turn():
    _, _, events = made(default_profile(), 3, 0.1, 400 * BLOCK)
    long = [event.kind for event in events if event.kind not in SHORT_KINDS and event.start > OPENING_POINTS]
    rounds = [long[at : at + 6] for at in range(4, len(long) - 6, 6)]
    assert len(rounds) > 50
    assert all(len(set(one)) == 6 for one in rounds) or len({long.count(kind) for kind in set(long)}) <= 2
    assert len({tuple(one) for one in rounds}) > 40, "in a new order each time"


# What is watched first


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.01, 0.02, 0.05]))
def test_the_first_minute_shows_four_kinds_and_the_first_twenty_seconds_one_behind_the_warm_up(seed, probability):
    labels = SimulatedStream(default_profile(), seed, probability).take(OPENING_POINTS)[1]
    assert len(set(labels[labels != NORMAL].tolist())) >= 4
    assert FIRST_EVENT <= np.flatnonzero(labels)[0] < 200
    assert np.mean(labels != NORMAL) < 0.5


def test_nothing_more_is_shown_at_first_where_few_events_are_asked_for():
    begun = [(SimulatedStream(BARE, seed, 0.001).take(OPENING_POINTS)[1] != NORMAL).any() for seed in range(200)]
    assert 0.2 < np.mean(begun) < 0.6


# The labels are true


def twins(profile, seed, probability, points):
    """A stream with events, the same without, and the events."""
    values, labels, events = made(profile, seed, probability, points)
    return values, SimulatedStream(profile, seed).take(points)[0], labels, events


@pytest.mark.parametrize("noise", [noise for noise in NOISES if noise != "counts"])
@pytest.mark.parametrize("probability", [0.02, 0.3, 0.5])
def test_each_labelled_point_was_changed_and_no_other(noise, probability):
    season = Season(50, np.random.default_rng(1).normal(size=50))  # with no two values alike
    values, clean, labels, _ = twins(replace(SMOOTH, noise=noise, seasons=(season,)), 4, probability, 50 * BLOCK)
    np.testing.assert_array_equal(values != clean, labels != NORMAL)


@pytest.mark.parametrize("probability", [0.02, 0.3, 0.5])
def test_events_are_told_once_in_order_and_are_what_the_labels_say(probability):
    _, labels, events = made(default_profile(), 4, probability, 50 * BLOCK)
    said = np.full(labels.size, NORMAL)
    for before, event in zip([Event("", 0, 0, 0.0, 0), *events], events, strict=False):
        assert before.end <= event.start < event.end
        said[event.start : event.end] = LABELS.index(event.kind)
    np.testing.assert_array_equal(said, labels)
    touching = sum(one.end == two.start for one, two in pairwise(events))
    assert touching > 5, "one may follow another at once"


def test_a_spike_or_dip_is_as_large_as_its_event_says():
    values, clean, _, events = twins(replace(SMOOTH, noise_scale=3.0), 4, 0.1, 50 * BLOCK)
    for event in events:
        if event.kind in SHORT_KINDS:
            off = (values - clean)[event.start : event.end] / 3.0
            np.testing.assert_allclose(off, event.size if event.kind == "spike" else -event.size, rtol=1e-9)
            assert 6.0 <= event.size <= 40.0


def test_a_dip_of_counts_is_no_deeper_than_their_level():
    profile = replace(BARE, level=25.0, noise="counts")
    _, _, events = made(profile, 4, 0.1, 50 * BLOCK)
    sizes = {kind: [event.size for event in events if event.kind == kind] for kind in ("spike", "dip", "ramp")}
    assert max(sizes["dip"]) == -min(sizes["ramp"]) == 5.0
    assert max(sizes["spike"]) > 30.0
    assert max(sizes["ramp"]) > 10.0
    season = Season(2, np.array([-16.0, 16.0]))
    _, _, events = made(replace(profile, seasons=(season,)), 4, 0.1, 50 * BLOCK)
    assert {event.size for event in events if event.kind == "dip"} > {9.0 / 5.0}


def test_no_anomalies_are_injected_when_none_are_asked_for():
    values, labels = SimulatedStream(default_profile(), 1, 0.0).take(50_000)
    assert not (labels != NORMAL).any()
    assert np.isfinite(values).all()


def test_every_kind_occurs_and_only_the_kinds_asked_for():
    labels = SimulatedStream(default_profile(), 1, 0.1).take(100_000)[1]
    assert {LABELS[label] for label in np.unique(labels)} == {"normal", *KINDS}
    labels = SimulatedStream(default_profile(), 1, 0.1, ("dip", "ramp")).take(20_000)[1]
    assert {LABELS[label] for label in np.unique(labels)} == {"normal", "dip", "ramp"}


def test_a_stream_without_a_season_has_no_season_break():
    labels = SimulatedStream(BARE, 1, 0.2).take(100_000)[1]
    assert not (labels == LABELS.index("season break")).any()


# Each kind looks as it is labelled


def test_spikes_are_far_above_and_dips_far_below():
    for kind, sign in (("spike", 1.0), ("dip", -1.0)):
        values, labels, _ = only(kind)
        struck = sign * (values[labels != NORMAL] - 100.0)
        assert np.mean(struck >= 5.0) > 0.95
        assert struck.min() > 2.0
        assert np.abs(values[labels == NORMAL] - 100.0).max() < 6.0


def test_a_level_shift_is_a_lasting_step():
    values, _, found = only("level shift")
    offsets = np.array([np.mean(values[a:b]) - 100.0 for a, b in found])
    assert (np.abs(offsets) > 4.0).all()
    assert offsets.min() < 0.0 < offsets.max()
    assert all(np.std(values[a:b]) < 1.6 for a, b in found)
    assert all(b - a >= 20 for a, b in found)


def test_a_ramp_leads_away_steadily():
    values, _, found = only("ramp")
    for a, b in found:
        quarter = (b - a) // 4
        first, last = np.mean(values[a : a + quarter]) - 100.0, np.mean(values[b - quarter : b]) - 100.0
        assert abs(last) > abs(first) + 1.5
    assert len({np.sign(values[b - 1] - 100.0) for _, b in found}) == 2


@pytest.mark.parametrize("profile", [BARE, replace(BARE, noise="counts")], ids=["gaussian", "counts"])
def test_a_variance_burst_has_more_spread(profile):
    values, labels, found = only("variance burst", profile)
    usual = np.std(values[labels == NORMAL])
    assert np.mean([np.std(values[a:b]) > 2.0 * usual for a, b in found]) > 0.95


def test_a_flat_line_is_constant_at_the_value_before_it():
    over_an_edge = 0
    for profile in (SMOOTH, BARE, replace(BARE, noise="counts")):
        values, _, found = only("flat line", profile, probability=0.1)
        for a, b in found:
            assert (values[a:b] == values[a - 1]).all()
            assert b - a >= 20
            over_an_edge += a // BLOCK != b // BLOCK
    assert over_an_edge > 5


def test_missing_readings_are_nan_and_no_others_are():
    values, labels = SimulatedStream(default_profile(), 1, 0.2).take(100_000)
    np.testing.assert_array_equal(np.isnan(values), labels == LABELS.index("missing"))


@pytest.mark.parametrize("seed", range(5))
def test_a_flat_line_after_missing_readings_is_no_missing_reading(seed, monkeypatch):
    monkeypatch.setattr(simulation, "LONG_COVER", 0.9)  # or they would hardly ever lie side by side
    values, labels, events = made(BARE, seed, 0.5, 30 * BLOCK, ("missing", "flat line"))
    touching = [one.kind for one, two in pairwise(events) if one.end == two.start and one.kind != two.kind]
    assert touching.count("missing") > 10
    np.testing.assert_array_equal(np.isnan(values), labels == LABELS.index("missing"))


def test_a_season_break_leaves_the_cycle_and_the_rest_of_the_stream_as_it_was():
    values, labels, found = only("season break", SMOOTH)
    fits = [np.corrcoef(np.sin(2 * np.pi * (np.arange(values.size) + n) / 50), values)[0, 1] for n in range(50)]
    pattern = 100.0 + 5.0 * np.sin(2 * np.pi * (np.arange(values.size) + int(np.argmax(fits))) / 50)
    off = np.abs(values - pattern)
    assert np.mean(off[labels == NORMAL]) < 0.9
    assert np.mean([np.mean(off[a:b]) > 1.8 for a, b in found]) > 0.9


def test_a_season_break_is_one_that_can_be_seen():
    square = StreamProfile(0.0, 1e-6, seasons=(Season(400, np.where(np.arange(400) < 200, 5.0, -5.0)),))
    values, clean, _, events = twins(square, 2, 0.02, 100 * BLOCK)
    breaks = [event for event in events if event.kind == "season break" and event.end <= values.size]
    changes = [np.sqrt(np.mean((values - clean)[event.start : event.end] ** 2)) for event in breaks]
    assert len(breaks) > 20
    assert np.mean(np.array(changes) > 4.9) > 0.9
    assert {event.shift > 0 for event in breaks} == {True, False}


# The regular pattern


@pytest.mark.parametrize("noise", NOISES)
def test_noise_has_the_scale_asked_for_and_its_own_character(noise):
    profile = StreamProfile(400.0, 3.0, noise)
    values = SimulatedStream(profile, 2).take(200_000)[0]
    wanted = 20.0 if noise == "counts" else 3.0
    assert np.mean(values) == pytest.approx(400.0, abs=0.3)
    assert np.std(values) == pytest.approx(wanted, rel=0.15)
    centred = (values - values.mean()) / values.std()
    assert np.mean(centred[1:] * centred[:-1]) == pytest.approx(0.8 if noise == "autocorrelated" else 0.0, abs=0.02)
    assert (np.abs(centred).max() > 8.0) == (noise == "heavy-tailed")
    assert (values == np.rint(values)).all() == (noise == "counts")


def test_counts_are_never_below_zero_even_with_anomalies():
    values = SimulatedStream(replace(BARE, level=5.0, noise="counts"), 1, 0.2).take(50_000)[0]
    assert np.nanmin(values) >= 0.0


def test_a_season_repeats():
    values = SimulatedStream(SMOOTH, 1).take(50_000)[0].reshape(-1, 50).mean(axis=0)
    assert np.ptp(values) == pytest.approx(10.0, abs=0.3)


def test_drift_wanders_slowly_and_comes_back():
    profile = StreamProfile(0.0, 1e-6, drift=3.0, drift_points=500.0)
    values = SimulatedStream(profile, 1).take(300_000)[0]
    assert np.std(values) == pytest.approx(3.0, rel=0.15)
    assert np.std(np.diff(values)) < 0.3
    assert np.abs(values).max() < 20.0


@given(st.integers(0, 10_000), st.integers(2, 500), st.floats(0.01, 1e6))
def test_a_random_shape_has_mean_0_and_the_amplitude_asked_for(seed, period, amplitude):
    shape = random_shape(np.random.default_rng(seed), period, amplitude)
    assert shape.shape == (period,)
    assert np.mean(shape) == pytest.approx(0.0, abs=1e-9 * amplitude)
    assert np.std(shape) == pytest.approx(amplitude, rel=1e-6) or not shape.any()


def test_random_profiles_differ_and_cover_every_make():
    rng = np.random.default_rng(1)
    drawn = [random_profile(rng) for _ in range(300)]
    assert {profile.noise for profile in drawn} == set(NOISES)
    assert {len(profile.seasons) for profile in drawn} == {0, 1, 2}
    assert {profile.drift > 0.0 for profile in drawn} == {True, False}
    assert len({profile.level for profile in drawn}) == 300
    assert all(np.isfinite(SimulatedStream(p, 1, 0.02, ("spike", "dip")).take(100)[0]).all() for p in drawn)


# Endless


def test_a_million_points_stay_bounded_and_take_no_more_memory():
    stream = SimulatedStream(default_profile(), 1, 0.02)
    stream.take(5000)
    tracemalloc.start()
    lowest, highest = np.inf, -np.inf
    for _ in range(200):
        values = stream.take(5000)[0]
        lowest, highest = min(lowest, np.nanmin(values)), max(highest, np.nanmax(values))
    del values
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert -50.0 < lowest < highest < 150.0
    assert held < 200_000


# Errors


@pytest.mark.parametrize("share", [-0.01, 0.51, 2.0, float("nan"), float("inf")])
def test_a_probability_out_of_its_range_is_named_with_value_and_range(share):
    with pytest.raises(ValueError, match=rf"outlier_probability is {share}, allowed is 0 to 0.5"):
        SimulatedStream(BARE, 1, share)


def test_an_unknown_kind_is_named_with_those_there_are():
    with pytest.raises(ValueError, match=r"kinds has 'spikes', allowed are spike, dip, .*missing"):
        SimulatedStream(BARE, 1, 0.1, ("dip", "spikes"))


def test_kinds_that_leave_nothing_to_inject_are_an_error():
    with pytest.raises(ValueError, match="kinds"):
        SimulatedStream(BARE, 1, 0.1, ("season break",))
    with pytest.raises(ValueError, match="kinds"):
        SimulatedStream(BARE, 1, 0.1, ())


@pytest.mark.parametrize(
    ("field", "value"),
    [("noise_scale", 0.0), ("noise_scale", -1.0), ("noise", "pink"), ("drift", -1.0), ("drift_points", 0.0)],
)
def test_a_profile_out_of_its_range_is_named_with_field_and_value(field, value):
    with pytest.raises(ValueError, match=rf"{field} is '?{value}'?, allowed"):
        SimulatedStream(replace(BARE, **{field: value}), 1)


def test_counts_need_a_level_above_0():
    with pytest.raises(ValueError, match=r"level is -3.0, allowed"):
        SimulatedStream(StreamProfile(level=-3.0, noise="counts"), 1)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 3000), st.integers(0, 5), st.sampled_from([0.0, 0.05, 0.5]))
def test_a_stream_goes_on_from_a_state_with_the_same_bits(cut, seed, share):
    profile = random_profile(np.random.default_rng(seed))
    whole = SimulatedStream(profile, seed, share).take(5000)
    first, second = SimulatedStream(profile, seed, share), SimulatedStream(profile, seed, share)
    first.take(cut)
    second.restore(first.state())
    for column, expected in zip(second.take(5000 - cut), whole, strict=True):
        assert column.tobytes() == expected[cut:].tobytes()

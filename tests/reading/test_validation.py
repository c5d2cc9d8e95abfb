import math
from datetime import UTC
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamforest.protocols import ANOMALY, LABELS, NORMAL, UNLABELLED, Reading, Refusal
from streamforest.reading.notation import BAD_TIME, INFINITE, NO_NUMBER, read_time
from streamforest.reading.validation import LONG_KEY, NO_KEY, NO_READING, STREAM_TOO_MANY, TIME_BACK, Validator
from streamforest.stream_names import StreamNames
from streamforest.text import shown

NOON = 1714564800.0  # 2024-05-01 12:00 UTC
FILLERS = 20  # enough readings for a block to be read column by column


def check_one(reading):
    validator = Validator()
    points, refusals = validator.check([reading])
    return validator, points, refusals


@pytest.mark.parametrize("text", [" 5", "5 ", "\t5\r"])
@pytest.mark.parametrize("fillers", [0, FILLERS])
def test_blanks_around_a_value_are_repaired_and_counted(text, fillers):
    validator = Validator()
    points, refusals = validator.check([Reading("5")] * fillers + [Reading(text)])
    assert points["value"].tolist() == [5.0] * (fillers + 1)
    assert (validator.repaired, refusals) == (1, [])


@pytest.mark.parametrize("value", [None, "", "  ", "nan", "NaN", "-nan", "null", "None", "NA", "n/a", math.nan])
def test_a_missing_value_is_a_point_without_a_value_and_time_goes_on(value):
    validator, points, refusals = check_one(Reading(value, "2024-05-01T12:00:00"))
    assert math.isnan(points["value"][0])
    assert points["time"][0] == NOON
    assert (validator.missing, validator.repaired, refusals) == (1, 0, [])


@pytest.mark.parametrize(("text", "value"), [("3,5", 3.5), ("-3,5e2", -350.0), ("3.5", 3.5), ("4", 4.0)])
def test_a_decimal_comma_is_repaired_where_the_source_has_one(text, value):
    validator, points, _ = check_one(Reading(text, decimal_comma=True))
    assert points["value"][0] == value
    assert validator.repaired == ("," in text)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("abc", NO_NUMBER),
        ("1_000", NO_NUMBER),
        ("0x10", NO_NUMBER),
        ("١٢", NO_NUMBER),
        ("1,5", NO_NUMBER),
        ("5\0", NO_NUMBER),
        ("true", NO_NUMBER),
        ("inf", INFINITE),
        ("-Infinity", INFINITE),
        ("1e999", INFINITE),
        (math.inf, INFINITE),
        (10**400, INFINITE),
    ],
)
@pytest.mark.parametrize("fillers", [0, FILLERS])
def test_a_value_that_is_no_finite_number_is_refused_with_the_value_in_the_reason(value, kind, fillers):
    validator = Validator()
    points, refusals = validator.check([Reading(value)] + [Reading("1")] * fillers)
    assert len(points) == fillers
    assert validator.reasons == {kind: 1}
    assert refusals[0].where == "reading 1"
    assert shown(value) in refusals[0].reason


def test_two_decimal_marks_are_no_number():
    validator, points, _ = check_one(Reading("1.234,5", decimal_comma=True))
    assert (len(points), validator.refused) == (0, 1)


@pytest.mark.parametrize(
    ("raw", "seconds"),
    [
        ("2024-05-01T12:00:00", NOON),
        ("2024-05-01 12:00:00", NOON),
        (" 2024-05-01 12:00:00\r", NOON),
        ("2024-05-01T12:00:00Z", NOON),
        ("2024-05-01 12:00:00 UTC", NOON),
        ("2024-05-01T14:00:00+02:00", NOON),
        ("2024-05-01T12:00:00.25", NOON + 0.25),
        ("2024/05/01 12:00", NOON),
        ("2024-05-01", NOON - 43200),
        ("2024-05", NOON - 43200),
        ("1714564800", NOON),
        ("1714564800.5", NOON + 0.5),
        (1714564800, NOON),
        ("1714564800000", NOON),
        ("1714564800000000", NOON),
        ("1714564800000000000", NOON),
        (1714564800250, NOON + 0.25),
        ("0", 0.0),
        ("-5", -5.0),
        ("1.0e-05", 1e-5),
    ],
)
@pytest.mark.parametrize("copies", [1, FILLERS])
def test_a_time_is_read_in_every_notation_alone_and_in_a_block(raw, seconds, copies):
    points, refusals = Validator().check([Reading(1.0, raw)] * copies)
    assert points["time"].tolist() == [seconds] * copies
    assert refusals == []


@pytest.mark.parametrize(
    ("raw", "seconds"),
    [
        ("99999999999", 99999999999.0),
        ("100000000000", 1e8),
        ("99999999999999", 99999999999.999),
        ("100000000000000", 1e8),
        ("99999999999999984", 99999999999.99998),
        ("100000000000000000", 1e8),
    ],
)
@pytest.mark.parametrize("copies", [1, FILLERS])
def test_the_size_of_a_unix_time_tells_its_unit(raw, seconds, copies):
    points, _ = Validator().check([Reading(1.0, raw)] * copies)
    assert points["time"].tolist() == [seconds] * copies


def test_times_of_two_notations_in_one_block_are_read_each_by_its_own():
    texts = ["1970-01-01 00:00:05"] * FILLERS + ["16120101012", "1612-01-01", "2500-01-01T00:00:00Z"]
    points, refusals = Validator().check([Reading(1.0, text) for text in texts])
    assert points["time"].tolist() == [5.0] * FILLERS + [16120101012.0, 16725225600.0]
    assert [refusal.where for refusal in refusals] == [f"reading {FILLERS + 2}"]


@pytest.mark.parametrize("raw", [None, "", " ", "null", math.nan])
def test_an_empty_time_is_unknown_and_the_point_is_kept(raw):
    validator = Validator()
    block = [Reading("1", "2024-05-01"), Reading("2", raw), Reading("3", "2024-05-02")] + [
        Reading("4", "2024-05-03")
    ] * FILLERS
    points, refusals = validator.check(block)
    assert np.isnan(points["time"]).tolist() == [False, True] + [False] * (FILLERS + 1)
    assert refusals == []


@pytest.mark.parametrize(
    "raw", ["noon", "01/02/2024", "2024-13-01", "2024-05-01 25:00", "inf", math.inf, "12:00", "1_0"]
)
@pytest.mark.parametrize("fillers", [0, FILLERS])
def test_a_time_that_cannot_be_read_is_refused(raw, fillers):
    validator = Validator()
    points, refusals = validator.check([Reading("1", raw)] + [Reading("1", "5")] * fillers)
    assert len(points) == fillers
    assert validator.reasons == {BAD_TIME: 1}
    assert shown(raw) in refusals[0].reason


@pytest.mark.parametrize("fillers", [0, FILLERS])
def test_a_time_that_goes_back_is_refused_also_from_one_block_to_the_next_but_an_equal_one_is_not(fillers):
    validator = Validator()
    rest = [Reading("1", "20")] * fillers
    validator.check([Reading("1", "10"), *[Reading("1", "10")] * fillers])
    points, refusals = validator.check([Reading("1", "9"), Reading("2", "10"), Reading("3", "11"), *rest])
    assert points["value"].tolist() == [2.0, 3.0] + [1.0] * fillers
    assert [refusal.where for refusal in refusals] == [f"reading {fillers + 2}"]
    assert validator.reasons == {TIME_BACK: 1}


def test_an_hour_told_twice_is_no_time_that_goes_back_where_the_zone_is_written():
    block = [Reading(1.0, "2024-10-27T02:30:00+02:00"), Reading(2.0, "2024-10-27T02:10:00+01:00")]
    points, refusals = Validator().check(block)
    assert np.diff(points["time"]).tolist() == [2400.0]
    assert refusals == []


def test_a_reading_with_a_refused_value_does_not_move_the_time():
    points, _ = Validator().check([Reading("x", "100"), Reading("1", "50")])
    assert points["time"].tolist() == [50.0]


def test_what_the_source_refused_is_passed_on_and_counted():
    validator = Validator()
    block = [Reading("1"), Refusal("line 2", "bad"), Reading("x"), *[Reading("1")] * FILLERS]
    points, refusals = validator.check(block)
    assert len(points) == FILLERS + 1
    assert refusals == [Refusal("line 2", "bad"), Refusal("reading 3", "'x' is no number")]
    assert validator.reasons == {NO_READING: 1, NO_NUMBER: 1}
    assert validator.refused == 2


@pytest.mark.parametrize(
    ("label", "code"),
    [
        (None, UNLABELLED),
        ("", UNLABELLED),
        ("nan", UNLABELLED),
        ("0", NORMAL),
        ("0.0", NORMAL),
        ("1", ANOMALY),
        ("1.0", ANOMALY),
        ("7", ANOMALY),
        ("True", ANOMALY),
        ("no", NORMAL),
        ("Normal", NORMAL),
        (" Level Shift ", LABELS.index("level shift")),
        (3, 3),
        (UNLABELLED, UNLABELLED),
    ],
)
def test_a_label_is_a_number_a_word_or_an_index(label, code):
    validator, points, _ = check_one(Reading(1.0, None, label))
    assert (points["label"][0], validator.repaired) == (code, 0)


@pytest.mark.parametrize("label", ["strange", len(LABELS), -2])
def test_an_unknown_label_makes_an_unlabelled_point_and_is_counted_once_a_point(label):
    validator = Validator()
    points, _ = validator.check([Reading(1.0, None, label)] * FILLERS)
    assert set(points["label"].tolist()) == {UNLABELLED}
    assert validator.repaired == FILLERS


def test_an_empty_block_gives_no_points():
    points, refusals = Validator().check([])
    assert (len(points), refusals) == (0, [])


VALUES = st.one_of(
    st.floats().map(repr),
    st.floats(),
    st.none(),
    st.integers(),
    st.sampled_from(["", "", " 1", "1 ", "1_0", "1,5", "x", "null", "1e999", "\uff11"]),
    st.text(max_size=5),
)
TIMES = st.one_of(
    st.none(),
    st.datetimes(timezones=st.none() | st.just(UTC)).map(str),
    st.integers(0, 2**63).map(str),
    st.floats(),
    st.sampled_from(["", "2024-05", "20240501", "16120101012", "2024-05-01 12:00:00", "1.0e-05", "x"]),
)
READINGS = st.builds(Reading, VALUES, TIMES, st.none() | st.text(max_size=3) | st.integers(-3, 12), st.booleans())
NOTATIONS = st.sampled_from([st.datetimes().map(str), st.integers(0, 10**18).map(str), st.floats(0, 1e18), st.none()])
CLEAN = NOTATIONS.flatmap(
    lambda times: st.lists(
        st.builds(Reading, st.floats(-1e9, 1e9).map(str) | st.sampled_from(["", "nan"]), times), min_size=8, max_size=20
    )
)


@given(st.lists(READINGS | st.just(Refusal("line 1", "bad")), max_size=3), CLEAN)
def test_one_block_gives_the_same_bits_and_counts_as_one_reading_at_a_time(damaged, clean):
    block = damaged + sorted(clean, key=lambda reading: read_time(reading.time))
    whole, single = Validator(), Validator()
    points, refusals = whole.check(block)
    pieces = [single.check([item]) for item in block]
    assert points.tobytes() == b"".join(piece.tobytes() for piece, _ in pieces)
    assert refusals == [refusal for _, some in pieces for refusal in some]
    assert len(points) + len(refusals) == len(block)
    assert (whole.missing, whole.repaired, whole.reasons) == (single.missing, single.repaired, single.reasons)


@given(st.lists(READINGS, max_size=20))
def test_values_are_never_infinite(block):
    points, _ = Validator().check(block)
    assert not np.isinf(points["value"]).any()


@st.composite
def keyed_readings(draw):
    """Readings of three streams and of none, with times that go on, go back and are unknown, and some rubbish."""
    times, found = dict.fromkeys("abc", 1000), []
    for _ in range(draw(st.integers(1, 40))):
        key = draw(st.sampled_from("abc"))
        times[key] += draw(st.sampled_from([0, 1, 1, 5, -3, 10**9, -(10**9)]))
        value = draw(st.sampled_from(["1", "2.5", "2.5", "x", "nan"]))
        time = draw(st.sampled_from([str(times[key]), str(times[key]), str(times[key]), ""]))
        found.append(Reading(value, time, None, False, draw(st.sampled_from([key, key, key, f" {key} ", "", None]))))
    return found


@settings(deadline=None)
@given(keyed_readings(), st.lists(st.integers(0, 40), max_size=3))
def test_of_many_streams_each_has_the_points_and_refusals_that_it_has_alone(readings, cuts):
    names = StreamNames()
    together = Validator(names)
    cuts = [0, *sorted(min(cut, len(readings)) for cut in cuts), len(readings)]
    blocks = [together.check(readings[a:b]) for a, b in pairwise(cuts) if a < b]
    points = np.concatenate([points for points, _ in blocks])
    refused = 0
    for key in "abc":
        alone = Validator()
        expected, refusals = alone.check([reading for reading in readings if (reading.key or "").strip() == key])
        refused += len(refusals)
        mine = points[points["stream"] == names.numbers_of([key])[0]]
        for name in ("time", "value"):
            np.testing.assert_array_equal(mine[name], expected[name])
    without = sum(not (reading.key or "").strip() and reading.value != "x" for reading in readings)
    assert together.reasons[NO_KEY] == without
    assert together.refused == refused + sum(not (reading.key or "").strip() for reading in readings)


@pytest.mark.parametrize("size", [1, 7, 40, 2000])
@pytest.mark.parametrize(("year", "refused"), [(4999, 0), (9999, 1)])
def test_a_far_future_time_of_one_key_costs_no_other_reading(size, year, refused):
    readings = [Reading(k, NOON + 60 * k, key=f"pump {k % 20}") for k in range(2000)]
    readings.insert(600, Reading(1, f"{year}-12-31T00:00:00Z", key="pump 7"))
    validator = Validator(StreamNames())
    points = np.concatenate([validator.check(readings[k : k + size])[0] for k in range(0, len(readings), size)])
    assert (len(points), validator.refused) == (2001 - refused, refused)


@pytest.mark.parametrize("fillers", [0, FILLERS])
def test_a_key_that_is_too_long_and_a_stream_too_many_are_refused_with_a_reason(fillers):
    validator = Validator(StreamNames(most=1))
    block = [Reading("1", key="a")] * (fillers + 1)
    points, refusals = validator.check(
        [*block, Reading("1", key="\x1b" * 201), Reading("1", key="b"), Reading("1", key="a")]
    )
    assert points["stream"].tolist() == [0] * (fillers + 2)
    assert [refusal.reason for refusal in refusals] == [
        f"key {shown(chr(27) * 201)} is longer than 200 characters",
        "key 'b' is new, and there are 1 streams, the most",
    ]
    assert (validator.reasons[LONG_KEY], validator.reasons[STREAM_TOO_MANY]) == (1, 1)
    assert "\x1b" not in refusals[0].reason


def test_a_reading_that_is_refused_makes_no_stream():
    names = StreamNames()
    Validator(names).check([Reading("x", key="a"), Reading("1", "no time", key="b"), Reading("1", key="c")])
    assert len(names) == 1


def test_it_goes_on_from_a_state_with_the_last_time_and_the_counts():
    first, second = Validator(), Validator()
    first.check([Reading(" 5", "2024-05-01T12:00:00"), Reading("x"), Reading("")])
    second.restore(first.state())
    points, refusals = second.check([Reading(5.0, "2024-05-01T11:59:59")])
    assert (len(points), refusals[0].where) == (0, "reading 4")
    assert (second.missing, second.repaired) == (1, 1)
    assert second.reasons == {NO_NUMBER: 1, TIME_BACK: 1}


@given(st.lists(st.integers(0, 40), max_size=19))
def test_times_of_few_points_go_back_only_where_those_before_were_far_ahead(steps):
    times = [float(step) for step in steps]
    points, refusals = Validator().check([Reading(1, time) for time in times])
    kept = points["time"].tolist()
    for place in np.flatnonzero(np.diff(kept) < 0).tolist():
        earlier = [time for time in kept[: place + 1] if time <= kept[place + 1]]
        assert earlier
        assert kept[place] - max(earlier) > kept[place + 1] - max(earlier)
    assert len(kept) + len(refusals) == len(times)


STEADY = [NOON + 60 * k for k in range(200)]


@given(
    st.lists(
        st.tuples(st.integers(2, 199), st.floats(NOON + 60 * 200, NOON + 1e5) | st.floats(NOON + 1e5, 1e11)),
        max_size=60,
        unique_by=lambda wild: wild[0],
    ),
    st.integers(1, 40),
)
def test_wild_times_cost_none_of_the_readings_behind_them(wild, size):
    times = list(STEADY)
    for place, time in sorted(wild, reverse=True):
        times.insert(place, time)
    validator = Validator()
    points = [
        validator.check([Reading(1, time) for time in times[k : k + size]])[0] for k in range(0, len(times), size)
    ]
    kept = iter(np.concatenate(points)["time"].tolist())
    assert all(time in kept for time in STEADY)


@pytest.mark.parametrize("fillers", [0, FILLERS])
def test_a_clock_that_was_set_back_costs_nineteen_readings(fillers):
    validator = Validator()
    validator.check([Reading(1, time) for time in STEADY])
    back = [time - 1e6 for time in STEADY]
    blocks = [back[:fillers], back[fillers:]] if fillers else [[time] for time in back]
    points = np.concatenate([validator.check([Reading(1, time) for time in block])[0] for block in blocks])
    assert points["time"].tolist() == back[19:]
    assert validator.reasons[TIME_BACK] == 19


def test_late_readings_among_others_stay_refused():
    validator = Validator()
    mixed = [time for k, time in enumerate(STEADY[100:]) for time in (time, STEADY[k])]
    points, refusals = validator.check([Reading(1, time) for time in mixed])
    assert points["time"].tolist() == STEADY[100:]
    assert len(refusals) == 100


@pytest.mark.parametrize("n", [1, 20])
def test_a_key_with_half_a_character_is_refused_and_leaves_the_others_alone(n):
    names = StreamNames()
    validator = Validator(names)
    readings = [Reading(float(k), 60.0 * k, key="whole") for k in range(n)]
    points, refusals = validator.check([*readings, Reading(1.0, 0.0, key="\ud800")])
    assert (len(points), len(names)) == (n, 1)
    assert [refusal.reason for refusal in refusals] == [r"key '\ud800' has half a character"]

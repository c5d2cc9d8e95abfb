from statistics import median

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamforest.protocols import LABELS, STREAM_VERDICT_DTYPE, UNLABELLED, VERDICT_DTYPE, without_streams
from streamforest.stream_names import StreamNames
from streamforest.verdicts.counts import GRACE, LONGEST_DELAY, RunCounts

SPIKE, DIP, RAMP = LABELS.index("spike"), LABELS.index("dip"), LABELS.index("ramp")


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def verdicts_of(labels, flagged=(), episodes=None, scores=0.5, first=0):
    verdicts = np.zeros(len(labels), VERDICT_DTYPE)
    verdicts["index"] = np.arange(first, first + len(labels))
    verdicts["label"] = labels
    verdicts["score"] = scores
    verdicts["is_anomaly"][list(flagged)] = True
    verdicts["episode"][list(flagged)] = range(1, len(flagged) + 1) if episodes is None else episodes
    return verdicts


def counts_of(*blocks, clock=None):
    counts = RunCounts(0.01, clock or Clock())
    for block in blocks:
        counts.add(block)
    return counts


def naive_match(rows):
    """Events, found events by kind, delays, judged and right episodes; one point at a time, all kept."""
    events, judged, right = [], set(), set()
    label_before, last_inside = UNLABELLED, None
    for index, label, is_anomaly, episode in rows:
        if label > 0:
            if label != label_before:
                events.append({"kind": label, "start": index, "delay": None})
            last_inside = index
        label_before = label
        if not is_anomaly:
            continue
        is_hit = last_inside is not None and index - last_inside <= GRACE
        if is_hit and events[-1]["delay"] is None:
            events[-1]["delay"] = index - events[-1]["start"]
        if is_hit or label >= 0:
            judged.add(episode)
        if is_hit:
            right.add(episode)
    return events, judged, right


@given(
    st.lists(
        st.tuples(st.sampled_from([UNLABELLED, 0, 0, 0, SPIKE, DIP]), st.booleans(), st.booleans()),
        min_size=1,
        max_size=60,
    ),
    st.data(),
)
@settings(deadline=None)
def test_events_and_episodes_match_as_they_do_point_by_point_in_any_blocks(points, data):
    labels, flags, steps = (np.array(column) for column in zip(*points, strict=True))
    verdicts = verdicts_of(labels)
    verdicts["is_anomaly"] = flags
    verdicts["episode"] = np.where(flags, 1 + np.cumsum(steps), 0)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(points)))))
    match = counts_of(*(block for block in np.split(verdicts, cuts) if len(block))).match
    rows = verdicts[["index", "label", "is_anomaly", "episode"]].tolist()
    known = next((row for row, label in enumerate(labels.tolist()) if label != UNLABELLED), len(rows))
    events, judged, right = naive_match(rows)
    delays = [event["delay"] for event in events if event["delay"] is not None]
    assert match.is_labelled is (known < len(rows))
    assert match.events.sum() == len(events)
    for kind in (SPIKE, DIP):
        assert match.found[kind] == sum(event["kind"] == kind and event["delay"] is not None for event in events)
    assert (match.episodes, match.right_episodes) == (len(judged), len(right))
    assert match.median_delay == (median(delays) if delays else None)
    assert match.recall == (len(delays) / len(events) if events else None)
    assert match.precision == (len(right) / len(judged) if judged else None)


@pytest.mark.parametrize(("after", "found"), [(GRACE, 1), (GRACE + 1, 0)])
def test_an_event_may_be_found_within_the_grace_after_its_end(after, found):
    labels = [0, 0, SPIKE] + [0] * 10
    match = counts_of(verdicts_of(labels, [2 + after])).match
    assert match.found[SPIKE] == found
    assert match.right_episodes == found


def test_another_kind_starts_another_event():
    match = counts_of(verdicts_of([SPIKE, SPIKE, DIP], [2])).match
    assert (match.events[SPIKE], match.found[SPIKE], match.events[DIP], match.found[DIP]) == (1, 0, 1, 1)


def test_an_episode_is_right_once_one_of_its_points_is():
    match = counts_of(verdicts_of([0, 0, SPIKE, 0], [0, 2, 3], [1, 1, 1])).match
    assert (match.episodes, match.right_episodes, match.precision, match.recall, match.f1) == (1, 1, 1.0, 1.0, 1.0)


def test_f1_is_the_harmonic_mean_of_precision_and_recall():
    labels = [0, SPIKE, 0, 0, 0, 0, 0, 0, DIP, 0, 0, 0, 0, 0, RAMP]
    match = counts_of(verdicts_of(labels, [1, 6, 8])).match
    assert match.precision == pytest.approx(2 / 3)
    assert match.recall == pytest.approx(2 / 3)
    assert match.f1 == pytest.approx(2 / 3)
    assert counts_of(verdicts_of([0, SPIKE, 0, 0, 0, 0, 0], [6])).match.f1 == 0.0


def test_a_delay_beyond_the_longest_counts_as_the_longest():
    labels = np.full(LONGEST_DELAY + 100, RAMP)
    assert counts_of(verdicts_of(labels, [LONGEST_DELAY + 50])).match.median_delay == LONGEST_DELAY


def test_without_labels_nothing_is_said_of_precision_and_recall():
    counts = counts_of(verdicts_of([UNLABELLED] * 10, [3]))
    assert (counts.match.precision, counts.match.recall, counts.match.f1, counts.match.median_delay) == (None,) * 4
    assert "precision" not in counts.summary()


def test_points_missing_ones_anomalies_and_episodes_are_counted_over_blocks():
    first = verdicts_of([UNLABELLED] * 5, [1, 2], [1, 1])
    first["value"][4] = np.nan
    second = verdicts_of([UNLABELLED] * 5, [0, 3], [1, 2], first=5)
    counts = counts_of(first, second)
    assert (counts.points, counts.missing, counts.anomalies, counts.episodes) == (10, 1, 4, 2)


def test_the_realised_rate_is_that_of_scored_points():
    scores = [np.nan] * 5 + [0.5] * 10
    assert counts_of(verdicts_of([UNLABELLED] * 15, [7], scores=scores)).realised_rate == 1 / 10
    assert counts_of(verdicts_of([UNLABELLED] * 15, scores=np.nan)).realised_rate is None


def test_with_labels_the_realised_rate_is_that_of_normal_scored_points():
    labels = [0] * 4 + [SPIKE] + [0] * 5 + [UNLABELLED]
    scores = [np.nan] * 2 + [0.5] * 9
    assert counts_of(verdicts_of(labels, [4, 8, 10], scores=scores)).realised_rate == 1 / 7


def test_the_recent_rate_forgets_what_the_whole_rate_keeps():
    clock = Clock()
    counts = RunCounts(0.01, clock)
    for step in range(100):
        clock.now += 1.0
        counts.add(verdicts_of([UNLABELLED] * (10 if step < 50 else 20)))
    assert counts.recent_points_per_second == pytest.approx(20)
    assert counts.points_per_second == pytest.approx(15)


def test_rates_are_known_before_the_first_point():
    counts = RunCounts(0.01, Clock())
    assert (counts.points_per_second, counts.recent_points_per_second) == (0.0, 0.0)


def test_the_status_has_the_numbers_of_the_run():
    clock = Clock()
    counts = counts_of(verdicts_of([0] * 10, [3], scores=np.nan), clock=clock)
    counts.refused = 2
    clock.now += 2.0
    status = counts.status("a source", "a detector", ("a detector", "another"), warm_up_points=40)
    assert (status.source, status.detector, status.detectors) == ("a source", "a detector", ("a detector", "another"))
    assert (status.points, status.refused, status.anomalies, status.episodes) == (10, 2, 1, 1)
    assert (status.points_per_second, status.alarm_rate, status.realised_rate) == (5.0, 0.01, None)
    assert (status.precision, status.recall, status.warm_up) == (0.0, None, 0.25)


def test_the_warm_up_is_over_with_the_first_score():
    counts = counts_of(verdicts_of([0]))
    assert counts.status("", "", (), warm_up_points=40).warm_up == 1.0


def test_the_summary_reads_as_written_here():
    clock = Clock()
    labels = [0] * 999 + [SPIKE] + [0] * 498 + [RAMP] * 2
    counts = RunCounts(0.001, clock)
    counts.add(verdicts_of(labels, [500, 1001], [1, 2]))
    counts.refused = 3
    clock.now += 2.0
    assert counts.summary().splitlines() == [
        "    points  1,500 in 2 s, 750 a second",
        "  readings  3 refused, 0 missing, 0 repaired",
        " anomalous  2 points in 2 episodes",
        "alarm rate  0.00134 of normal points, asked for 0.001",
        " precision  0.500, 1 of 2 episodes right",
        "    recall  0.500, 1 of 2 labelled events found",
        "        F1  0.500",
        "     delay  2 points in the median",
        "     found  spike 1/1, ramp 0/1",
    ]


def test_alarms_a_day_are_what_was_asked_for_where_there_are_times():
    counts = RunCounts(0.001, Clock(), alarms_a_day=2.5)
    block = verdicts_of([UNLABELLED] * 5)
    block["time"] = np.nan
    counts.add(block)
    assert counts.summary().splitlines()[3].endswith("asked for 0.001")
    assert counts.status("", "", (), 1).alarms_a_day is None
    block["time"][3] = 60.0
    counts.add(block)
    assert counts.summary().splitlines()[3].endswith("asked for at most 2.5 alarms a day")
    assert counts.status("", "", (), 1).alarms_a_day == 2.5


def test_the_summary_says_where_there_was_nothing_to_find():
    summary = counts_of(verdicts_of([0] * 5)).summary()
    assert "recall  unknown, no labelled event so far" in summary
    assert "precision" not in summary
    assert "alarm rate  0 of normal points, asked for 0.01" in summary


def test_every_line_of_the_summary_fits_a_terminal():
    counts = counts_of(verdicts_of(np.arange(len(LABELS)), range(len(LABELS))))
    assert max(map(len, counts.summary().splitlines())) <= 80
    assert "missing 1/1" in counts.summary()


def test_the_summary_of_a_warm_up_has_no_rate():
    assert "no point was scored yet" in counts_of(verdicts_of([UNLABELLED], scores=np.nan)).summary()
    assert "no normal point was scored yet" in counts_of(verdicts_of([0], scores=np.nan)).summary()


@pytest.mark.parametrize(("seconds", "text"), [(0.25, "0.25 s"), (61.0, "1 min 01 s"), (7265.0, "2 h 01 min 05 s")])
def test_the_summary_tells_the_length_of_the_run(seconds, text):
    clock = Clock()
    counts = RunCounts(0.001, clock)
    clock.now += seconds
    assert f"0 in {text}, 0 a second" in counts.summary()


def test_the_run_lasts_from_its_start_to_its_end():
    now = [100.0]
    counts = RunCounts(0.001, clock=lambda: now[0])
    now[0] = 110.0
    counts.start()
    now[0] = 115.0
    assert counts.seconds == 5
    counts.end()
    now[0] = 200.0
    assert counts.seconds == 5


def test_the_seconds_since_the_last_point_are_unknown_before_the_first():
    now = [100.0]
    counts = RunCounts(0.001, clock=lambda: now[0])
    assert counts.status("s", "d", ("d",), 1).seconds_since_last_point is None
    counts.add(np.zeros(1, VERDICT_DTYPE))
    now[0] = 107.5
    assert counts.status("s", "d", ("d",), 1).seconds_since_last_point == 7.5


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from([UNLABELLED, 0, SPIKE, DIP]), st.booleans(), st.booleans()),
        min_size=1,
        max_size=60,
    ),
    st.lists(st.integers(0, 60), max_size=4),
)
def test_of_many_streams_each_is_counted_as_alone(points, cuts):
    streams, labels, flags, steps = (np.array(column) for column in zip(*points, strict=True))
    rows = np.zeros(len(points), STREAM_VERDICT_DTYPE)
    rows["stream"], rows["label"], rows["is_anomaly"], rows["score"] = streams, labels, flags, 0.5
    alone = []
    for stream in range(3):
        mine = streams == stream
        rows["index"][mine] = np.arange(mine.sum())
        rows["episode"][mine] = np.where(flags[mine], 1 + np.cumsum(steps[mine]), 0)
        if mine.any():
            alone.append(counts_of(without_streams(rows[mine])))
    together = counts_of(*(block for block in np.split(rows, sorted(cuts)) if len(block)))
    assert together.episodes == sum(counts.episodes for counts in alone)
    assert together.anomalies == sum(counts.anomalies for counts in alone)
    if all(counts.match.is_labelled for counts in alone):
        for name in ("events", "found"):
            assert getattr(together.match, name).sum() == sum(getattr(counts.match, name).sum() for counts in alone)
        for name in ("episodes", "right_episodes"):
            assert getattr(together.match, name) == sum(getattr(counts.match, name) for counts in alone)


def test_a_stream_with_a_number_that_was_anothers_is_counted_for_itself():
    rows = np.zeros(2, STREAM_VERDICT_DTYPE)
    rows["is_anomaly"], rows["episode"], rows["label"], rows["score"] = True, 1, SPIKE, 0.5
    counts = counts_of(rows[:1], rows[1:])
    assert (counts.episodes, counts.match.events[SPIKE], counts.match.episodes) == (2, 2, 2)


def test_streams_are_counted_where_there_are_many():
    names = StreamNames()
    names.drop(names.numbers_of(["a", "b", "c"])[:1])
    counts = RunCounts(0.01, Clock(), names=names)
    assert "   streams  2, 1 dropped after their silence\n" in counts.summary()
    assert counts.status("s", "d", ("d",), 1).streams == 2
    assert RunCounts(0.01).status("s", "d", ("d",), 1).streams is None


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([UNLABELLED, 0, SPIKE, DIP]), st.booleans()), min_size=2, max_size=60), st.data()
)
def test_counts_go_on_from_a_state_as_if_nothing_had_happened(points, data):
    labels, flags = (np.array(column) for column in zip(*points, strict=True))
    verdicts = verdicts_of(labels)
    verdicts["is_anomaly"], verdicts["episode"] = flags, np.where(flags, 1 + np.arange(len(flags)) // 3, 0)
    cut = data.draw(st.integers(1, len(points) - 1))
    whole = counts_of(verdicts[:cut], verdicts[cut:])
    resumed = RunCounts(0.01, Clock())
    resumed.restore(counts_of(verdicts[:cut]).state())
    resumed.add(verdicts[cut:])
    states = whole.state(), resumed.state()
    assert {name: array.tobytes() for name, array in states[0].items()} == {
        name: array.tobytes() for name, array in states[1].items()
    }
    assert whole.summary() == resumed.summary()


def test_seconds_go_on_without_the_time_in_between():
    clock = Clock()
    counts = RunCounts(0.01, clock)
    counts.start()
    counts.add(verdicts_of([UNLABELLED] * 50))
    clock.now += 10.0
    state = counts.state()
    clock.now += 1000.0
    resumed = RunCounts(0.01, clock)
    resumed.restore(state)
    resumed.start()
    clock.now += 5.0
    assert resumed.seconds == 15.0
    assert resumed.recent_points_per_second == 0.0


def test_a_state_of_another_version_is_refused():
    with pytest.raises(ValueError, match="the saved state"):
        RunCounts(0.01).restore({})

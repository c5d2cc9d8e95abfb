import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamforest.protocols import REASONS, STREAM_VERDICT_DTYPE, VERDICT_DTYPE, verdict_from_row
from streamforest.stream_names import StreamNames
from streamforest.verdicts.episodes import EPISODE_GAP, EpisodeFold
from streamforest.verdicts.life import (
    EpisodeCounts,
    EpisodeIds,
    EpisodeLife,
    episode_id,
    event_lines,
    event_of,
    headline,
    moment,
)


def verdicts_of(values, dtype=VERDICT_DTYPE):
    """Verdicts of values that are expected to be 0, +- 1; those beyond 3 are anomalous, and all of one episode."""
    rows = np.zeros(len(values), dtype)
    rows["index"], rows["time"], rows["value"] = np.arange(len(values)), 60.0 * np.arange(len(values)), values
    rows["lower"], rows["upper"], rows["label"] = -1.0, 1.0, -1
    rows["is_anomaly"] = np.abs(rows["value"]) > 3
    rows["p_value"] = np.where(rows["is_anomaly"], 1e-4, 0.5)
    rows["score"] = np.where(rows["is_anomaly"], 0.9, 0.4)
    rows["episode"] = rows["is_anomaly"]
    rows["reason"] = np.where(rows["is_anomaly"], REASONS.index("spike"), 0)
    return rows


CALM = [0.0] * 6


def numbered(flags):
    """Numbers of the episodes of anomalous points, as a detector gives them."""
    numbers, number, last = [], 0, None
    for at, flag in enumerate(flags):
        if flag:
            number += last is None or at - last - 1 > EPISODE_GAP
            last = at
        numbers.append(number if flag else 0)
    return numbers


def events_of(values, source="pump.csv"):
    life = EpisodeLife(source)
    return life.add(verdicts_of(values)) + life.finish()


def test_an_episode_starts_becomes_worse_each_time_its_peak_doubles_and_ends_with_one_id():
    events = events_of([0.0, 4.0, 7.9, 8.0, 9.0, -15.9, 16.0, *CALM])
    assert [event["event"] for event in events] == ["start", "worse", "worse", "end"]
    assert len({event["id"] for event in events}) == 1
    assert [event["deviation"] for event in events] == [4.0, 8.0, 16.0, 16.0]
    assert [event["points"] for event in events] == [1, 3, 6, 6]
    start, *_, end = events
    assert (start["start"], start["end"], start["peak"]) == (60.0, None, 60.0)
    assert (end["start"], end["end"], end["peak"], end["end_index"]) == (60.0, 360.0, 360.0, 6)
    assert (end["kind"], end["reason"], end["value"]) == ("spike", "spike: 16, expected 0 +- 1", 16.0)


def test_a_deviation_that_doubles_within_the_band_is_not_worse():
    rows = verdicts_of([3.1, 4.0, 6.3, *CALM])
    rows["lower"], rows["upper"] = -10.0, 10.0  # a shape is anomalous, not the value
    life = EpisodeLife("a")
    assert [event["event"] for event in life.add(rows)] == ["start", "end"]


def test_a_gap_in_which_a_wild_value_comes_becomes_worse():
    rows = verdicts_of([np.nan, 9.0])
    rows["is_anomaly"], rows["episode"], rows["reason"][0] = True, 1, REASONS.index("gap")
    start, worse = EpisodeLife("a").add(rows)
    assert (start["kind"], start["value"], start["deviation"]) == ("gap", None, 0.0)
    assert (worse["event"], worse["kind"], worse["deviation"]) == ("worse", "spike", 9.0)


def test_the_id_stands_for_source_stream_and_start_and_nothing_else():
    (one, _), (again, _) = events_of([5.0, *CALM]), events_of([5.0, *CALM])
    assert one["id"] == again["id"]
    assert len(one["id"]) == 16
    verdict = verdict_from_row(verdicts_of([5.0]).tolist()[0])
    other = [
        episode_id("b.csv", None, verdict),
        episode_id("a.csv", "k", verdict),
        episode_id("a.csv", None, verdict._replace(time=1.0)),
        episode_id("a.csv", None, verdict._replace(index=1)),
        episode_id("a.csv", None, verdict),
    ]
    assert len(set(other)) == 5
    assert episode_id("a.csv", None, verdict._replace(value=9.0, score=0.1)) == other[-1]


def test_lines_are_json_with_null_for_what_is_no_number_and_keys_escaped():
    (_, episode), *_ = EpisodeFold().add(verdicts_of([5.0]))
    event = event_of("start", replace(episode, key="\x1b[31mred\u2028é"), "a")
    line = event_lines([event | {"upper": float("inf")}])
    assert line.isascii()
    assert line.count("\n") == 1
    assert json.loads(line) == event | {"upper": None}


def test_a_headline_names_the_stream_and_says_what_happened():
    start, end = events_of([5.0, *CALM])
    assert headline(start) == "pump.csv: spike: 5, expected 0 ± 1"
    assert headline(end | {"key": "a\nb"}) == r"pump.csv a\nb: over after 1 point: spike: 5, expected 0 ± 1"
    assert headline(start | {"event": "worse"}) == "pump.csv: worse: spike: 5, expected 0 ± 1"
    assert (moment(None), moment(60.0)) == ("-", "1970-01-01T00:01:00Z")


VALUES = st.lists(st.sampled_from([0.0, 0.0, 0.0, 0.5, 4.0, 5.0, 9.0, 20.0, np.nan]), min_size=1, max_size=60)


@settings(deadline=None)
@given(VALUES, st.data())
def test_events_counts_and_ids_are_the_same_however_the_stream_is_cut_and_resumed(values, data):
    names = StreamNames()
    numbers = names.numbers_of(["a", "b"])
    rows = verdicts_of(values, STREAM_VERDICT_DTYPE)
    rows["stream"] = [numbers[place % 2] for place in range(len(rows))]
    rows["index"] = np.arange(len(rows)) // 2
    for number in numbers:
        mine = rows["stream"] == number
        rows["episode"][mine] = numbered(rows["is_anomaly"][mine])
    whole, ids = EpisodeLife("s", names=names), EpisodeIds("s", names)
    events = whole.add(rows) + whole.finish()
    expected_ids = ids.of(rows)
    life, counts, ids = EpisodeLife("s", names=names), EpisodeCounts(names=names), EpisodeIds("s", names)
    found, found_ids = [], []
    for piece in np.split(rows, sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=5)))):
        if not len(piece):
            continue
        found += life.add(piece)
        found_ids += ids.of(piece)
        counts.write(piece)
        if data.draw(st.booleans()):
            states = life.state(), counts.state(), ids.state()
            life, counts, ids = EpisodeLife("s", names=names), EpisodeCounts(names=names), EpisodeIds("s", names)
            life.restore(states[0])
            counts.restore(states[1], cut=True)
            ids.restore(states[2])
    starts = counts.happened["start"]
    assert counts.open == starts - counts.happened["end"]
    counts.close()
    assert found + life.finish() == events
    assert found_ids == expected_ids
    assert list(counts.happened.items()) == [
        (happening, sum(event["event"] == happening for event in events)) for happening in ("start", "worse", "end")
    ]
    assert {name for name in found_ids if name} == {event["id"] for event in events}


def test_ids_of_a_stream_that_takes_anothers_number_are_its_own():
    names = StreamNames()
    (number,) = names.numbers_of(["old"])
    ids, rows = EpisodeIds("s", names), verdicts_of([5.0], STREAM_VERDICT_DTYPE)
    rows["stream"] = number
    (old,) = ids.of(rows)
    names.drop([number])
    assert names.numbers_of(["new"]) == [number]
    (new,) = ids.of(rows)
    assert old != new


def test_what_is_no_state_is_refused():
    for part in (EpisodeLife("s"), EpisodeIds("s")):
        with pytest.raises(ValueError, match="saved"):
            part.restore({})
    with pytest.raises(ValueError, match="saved"):
        EpisodeCounts().restore(EpisodeLife("s").state(), cut=True)

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamforest.protocols import REASONS, STREAM_VERDICT_DTYPE
from streamforest.stream_names import StreamNames
from streamforest.verdicts.episodes import EPISODE_GAP
from streamforest.verdicts.incidents import (
    IncidentFold,
    Incidents,
    Member,
    _Start,
    incident_event,
    incident_text,
    keys_text,
    poisson_tail,
)

STREAMS, ROWS, RATE = 60, 700, 0.002


def names_of(n=STREAMS):
    names = StreamNames()
    names.numbers_of([f"s{k}" for k in range(n)])
    return names


def verdicts_of(names, planted=(), seed=1, timed=True):
    """Verdicts of streams side by side with episodes of one point, by chance and as planted: (row, stream)."""
    rng = np.random.default_rng(seed)
    rows = np.zeros(STREAMS * ROWS, STREAM_VERDICT_DTYPE)
    numbers = np.array(names.numbers_of([f"s{k}" for k in range(STREAMS)]))
    rows["stream"], rows["index"] = np.tile(numbers, ROWS), np.repeat(np.arange(ROWS), STREAMS)
    rows["time"] = 1.7e9 + 60.0 * rows["index"] if timed else np.nan
    rows["lower"], rows["upper"], rows["score"], rows["p_value"] = -1.0, 1.0, 0.5, 0.5
    flags = rng.random((ROWS, STREAMS)) < RATE / 2
    strong = np.zeros((ROWS, STREAMS), bool)
    for row, stream in planted:
        strong[row, stream] = True
    flags |= strong
    rows["is_anomaly"] = flags.ravel()
    rows["p_value"][flags.ravel()], rows["value"][flags.ravel()] = 5e-4, 1.1
    rows["p_value"][strong.ravel()], rows["value"][strong.ravel()] = 1e-6, 4.0
    rows["episode"] = (np.cumsum(flags, axis=0) * flags).ravel()
    rows["reason"] = flags.ravel() * REASONS.index("spike")
    return rows


def planted_at(row, first, others, lag=3):
    return [(row, first), *((row + lag + k % 4, stream) for k, stream in enumerate(others))]


TWO = [*planted_at(300, 7, range(20, 40)), *planted_at(550, 50, range(0, 12))]


def incidents_of(rows, names, cuts=()):
    fold, found = IncidentFold(names, "fleet.csv", RATE), []
    for part in np.split(rows, cuts):
        found += fold.add(part)
    return found + fold.finish()


def complete(found):
    return [incident for incident in found if not incident.is_over]


@pytest.mark.parametrize("timed", [True, False])
def test_planted_incidents_are_found_as_one_each_with_the_stream_that_moved_first(timed):
    names = names_of()
    found = complete(incidents_of(verdicts_of(names, TWO, timed=timed), names))
    assert [incident.members[0].key for incident in found] == ["s7", "s50"]
    assert {member.key for member in found[0].members} >= {f"s{k}" for k in range(20, 40)}
    assert len(found[0].members) <= 23
    assert found[0].sure > 0.9
    assert found[0].chance < 1e-6


@pytest.mark.parametrize(
    ("began", "first"),
    [
        ([(1, 0.4), (3, 0.01), (3, 0.01), (3, 0.01)], 0),  # alone before a crowd that follows it
        ([(1, 0.6), (3, 0.01), (3, 0.01), (3, 0.01)], 1),  # rather by chance
        ([(1, 0.2), (2, 0.05), (4, 0.01), (4, 0.01), (4, 0.01)], 1),  # chance brings the earlier one more easily
        ([(1, 0.08), (2, 0.05), (4, 0.01), (4, 0.01), (4, 0.01)], 0),
        ([(1, 0.4), (3, 0.01), (3, 0.01)], 1),  # two are no crowd
        ([(1, 0.4), (3, 0.01), (4, 0.01), (5, 0.01)], 1),  # nor are three that begin one after another
        ([(1, 0.8), (2, 0.9)], None),
        ([], None),
    ],
)
def test_the_first_began_alone_before_a_crowd_or_is_the_first_that_chance_does_not_explain(began, first):
    fold = IncidentFold(names_of(), "fleet.csv", RATE)
    fold._interval = 1.0
    starts = [_Start(float(at), 0, number, Member("", None, "", "")) for number, (at, _) in enumerate(began)]
    assert fold._first_of(starts, [chance for _, chance in began]) == first


def test_a_weak_alarm_that_goes_on_moved_first_and_one_that_is_over_at_once_did_not():
    names = names_of()
    for goes_on in (True, False):
        rows = verdicts_of(names, planted_at(300, 7, range(20, 40)))
        mover = np.flatnonzero((rows["stream"] == names.numbers_of(["s7"])[0]) & (rows["index"] >= 300))[:6]
        rows["p_value"][mover[0]] = 5e-4  # as those by chance have it
        rows["p_value"][mover[1:]] = 1e-2  # what the features remember of it
        rows["value"][mover[1:]] = 2.0 if goes_on else 0.5
        (incident,) = complete(incidents_of(rows, names))
        assert (incident.members[0].key == "s7") == goes_on


@pytest.mark.parametrize("timed", [True, False])
def test_an_incident_is_over_once_when_the_last_of_its_episodes_is(timed):
    names = names_of()
    rows = verdicts_of(names, planted_at(300, 7, range(20, 40)), timed=timed)
    goes_on = np.flatnonzero((rows["stream"] == names.numbers_of(["s25"])[0]) & (rows["index"] > 300))
    start = goes_on[np.flatnonzero(rows["is_anomaly"][goes_on])[0]]
    lasts = goes_on[(goes_on > start) & (rows["index"][goes_on] <= 400)]
    rows["is_anomaly"][lasts], rows["episode"][lasts] = True, rows["episode"][start]
    fold = IncidentFold(names, "fleet.csv", RATE)
    found = [(row, one) for row in range(ROWS) for one in fold.add(rows[row * STREAMS : (row + 1) * STREAMS])]
    (complete_at, begun), (ended_at, over) = found
    assert (begun.is_over, over.is_over, begun.id) == (False, True, over.id)
    assert complete_at < 330
    assert ended_at == 400 + EPISODE_GAP + 1
    assert over.end == (1.7e9 + 60.0 * 400 if timed else None)
    assert fold.finish() == []


def test_what_begins_again_in_a_stream_of_an_incident_keeps_it_open_and_the_end_of_the_run_ends_it():
    names = names_of()
    again = [(row, 25) for row in range(310, 340, 4)]
    rows = verdicts_of(names, [*planted_at(300, 7, range(20, 40)), *again])
    fold = IncidentFold(names, "fleet.csv", RATE, cool_down=5)
    found = [(row, one) for row in range(342) for one in fold.add(rows[row * STREAMS : (row + 1) * STREAMS])]
    assert [one.is_over for _, one in found] == [False]
    (over,) = fold.finish()
    assert over.is_over
    assert over.id == found[0][1].id


@pytest.mark.parametrize("seed", range(5))
def test_what_chance_brings_together_is_none(seed):
    names = names_of()
    assert incidents_of(verdicts_of(names, seed=seed), names) == []


def test_streams_that_are_new_together_are_none():
    names = names_of()
    rows = verdicts_of(names, [(30 + k % 5, k) for k in range(40)])
    assert incidents_of(rows, names) == []


def test_a_stream_that_always_talks_makes_no_incident():
    names = names_of()
    rows = verdicts_of(names, [(row, stream) for row in range(150, 650, 8) for stream in (1, 2, 3, 4)])
    assert len(incidents_of(rows, names)) <= 3  # before it is known how they are


@settings(max_examples=20)
@given(cuts=st.lists(st.integers(1, STREAMS * ROWS - 1), max_size=5), kept=st.integers(0, 5))
def test_incidents_are_the_same_however_the_stream_is_cut_and_resumed(cuts, kept):
    names = names_of()
    rows = verdicts_of(names, TWO)
    whole = incidents_of(rows, names)
    fold, found = IncidentFold(names, "fleet.csv", RATE), []
    for number, part in enumerate(np.split(rows, sorted(set(cuts)))):
        found += fold.add(part)
        if number == kept:
            state = fold.state()
            fold = IncidentFold(names, "fleet.csv", RATE)
            fold.restore(state)
    assert found + fold.finish() == whole


def test_a_state_that_none_can_have_is_refused():
    names = names_of()
    fold = IncidentFold(names, "fleet.csv", RATE)
    fold.add(verdicts_of(names, TWO))
    state = fold.state()
    facts = json.loads(state["facts"].tobytes())
    facts[0][0] = -1.0
    forged = {**state, "facts": np.frombuffer(json.dumps(facts).encode(), np.uint8)}
    lasts = [[[["s7", float("nan"), "spike", "a"]], 0.1, 0.1, 0.9, False, None], [7], 0.0, [7], None]
    none = [[[], 0.1, 0.1, 0.9, False, None], [7], 0.0, [7], None]
    for one in (lasts, none):
        facts = json.loads(state["facts"].tobytes())
        facts[-1] = [one]
        with pytest.raises(ValueError, match="saved"):
            IncidentFold(names, "fleet.csv", RATE).restore(
                {**state, "facts": np.frombuffer(json.dumps(facts).encode(), np.uint8)}
            )
    for wrong in (forged, {**state, "firsts": np.zeros(3, "i8")}, {"facts": state["facts"][:5]}):
        with pytest.raises(ValueError, match="saved"):
            IncidentFold(names, "fleet.csv", RATE).restore(wrong)


def test_a_sink_hands_on_what_is_complete_and_the_open_one_at_the_end_once():
    names = names_of()
    rows = verdicts_of(names, [*TWO[:21], *planted_at(ROWS - 8, 50, range(0, 12), lag=1)])
    sink = Incidents(IncidentFold(names, "fleet.csv", RATE))
    seen = []
    for part in np.split(rows, 50):
        sink.write(part)
        seen += sink.new
    assert [(incident.members[0].key, incident.is_over) for incident in seen] == [("s7", False), ("s7", True)]
    events = sink.last_events()
    assert [(event["event"], event["first"]) for event in events] == [("incident", "s50"), ("incident_end", "s50")]
    assert sink.last_events() == events
    sink.close()
    assert (sink.found, len(sink.kept)) == (2, 2)


def test_an_incident_is_an_event_and_a_line():
    names = names_of()
    incident = incidents_of(verdicts_of(names, TWO), names)[0]
    event = incident_event(incident, "fleet.csv")
    assert (event["event"], event["first"], event["start"]) == ("incident", "s7", 1.7e9 + 300 * 60)
    assert event["streams"] == len(event["members"]) == len(incident.members)
    assert event["id"] == incident.id
    text = incident_text(incident)
    assert "streams, first s7 (" in text
    assert text.endswith("more")
    assert keys_text(incident.members).startswith("s7, ")
    over = incident._replace(is_over=True, end=1.7e9 + 400 * 60)
    assert incident_event(over, "fleet.csv") == event | {"event": "incident_end", "end": over.end}
    assert incident_text(over).startswith("incident from 2023-11-15T03:13:20Z to 2023-11-15T04:53:20Z is over: 2")


@pytest.mark.parametrize(("k", "mean"), [(0, 3.0), (3, 0.0), (5, 9.0), (1000, 0.1)])
def test_a_probability_is_one(k, mean):
    assert 0.0 <= poisson_tail(k, mean) <= 1.0

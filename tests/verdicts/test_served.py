import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamforest.protocols import STREAM_VERDICT_DTYPE, VERDICT_DTYPE
from streamforest.stream_names import StreamNames
from streamforest.verdicts.served import MOST_WAITING, Range, ServedVerdicts
from tests.sinks.test_episode_lines import incidents_found


def rows(first, n, stream=None):
    found = np.zeros(n, VERDICT_DTYPE if stream is None else STREAM_VERDICT_DTYPE)
    found["index"], found["time"], found["value"] = (
        np.arange(first, first + n),
        100.0 + np.arange(first, first + n),
        1.0,
    )
    found["p_value"] = 0.5
    if stream is not None:
        found["stream"] = stream
    return found


def alarm(found, at):
    found["is_anomaly"][at], found["episode"][at], found["reason"][at], found["p_value"][at] = True, 1, 1, 1e-5
    return found


@given(st.lists(st.integers(1, 30), max_size=12), st.integers(1, 40))
def test_the_newest_verdicts_are_kept_in_their_order(sizes, capacity):
    served = ServedVerdicts("s", capacity=capacity)
    first = 0
    for n in sizes:
        served.write(rows(first, n))
        first += n
    assert served.verdicts(Range(), 1000)["index"].tolist() == [*range(max(0, first - capacity), first)]
    assert served.verdicts(Range(), 3)["index"].tolist() == [*range(max(0, first - min(3, capacity)), first)]


def test_verdicts_are_found_by_key_time_and_index():
    names = StreamNames()
    names.numbers_of(["a", "b"])
    served = ServedVerdicts("s", names=names)
    served.write(rows(0, 10, 0))
    served.write(rows(0, 5, 1))
    assert len(served.verdicts(Range(key="b"), 100)) == 5
    assert len(served.verdicts(Range(key="c"), 100)) == 0
    assert served.verdicts(Range("a", since=103, until=105), 100)["index"].tolist() == [3, 4, 5]
    assert served.verdicts(Range("a", first=7, end=9), 100)["index"].tolist() == [7, 8]


def test_each_episode_is_there_once_as_its_newest_event_tells_it():
    served = ServedVerdicts("s", cool_down=2)
    served.write(alarm(rows(0, 9), [1]))
    (event,) = served.episodes(Range(), 10)
    assert event["event"] == "end"
    assert (event["start"], event["end"]) == (101.0, 101.0)
    served.write(alarm(rows(9, 2), [1]))
    newest, _ = served.episodes(Range(), 10)
    assert newest["event"] == "start"
    assert [one["start"] for one in served.episodes(Range(until=102), 10)] == [101.0]
    assert [one["start"] for one in served.episodes(Range(since=102), 10)] == [110.0]
    assert served.episodes(Range(), 1) == [newest]


def test_episodes_go_on_where_the_run_was_kept():
    first, second, whole = (ServedVerdicts("s", cool_down=2) for _ in range(3))
    before, after = alarm(rows(0, 20), [3, 18]), alarm(rows(20, 9), [0])
    first.write(before)
    second.restore(first.state(), cut=True)
    for block in (before, after):
        whole.write(block)
    second.write(after)
    assert second.episodes(Range(), 9) == whole.episodes(Range(), 9)
    with pytest.raises(ValueError, match="saved"):
        second.restore({}, cut=True)


def test_a_listener_gets_what_it_wants_and_of_too_much_the_newest():
    served, woken = ServedVerdicts("s", cool_down=2), []
    all_of_it = served.listen(lambda: woken.append(1), wants_verdicts=True)
    episodes = served.listen(lambda: None, wants_verdicts=False)
    served.write(alarm(rows(0, 9), [1]))
    items, left_out = all_of_it.take()
    assert [len(items[0]), *[event["event"] for event in items[1:]], left_out] == [9, "start", "end", 0]
    assert [event["event"] for event in episodes.take()[0]] == ["start", "end"]
    assert woken == [1]
    for _ in range(3):
        served.write(rows(0, MOST_WAITING // 2 + 1))
    items, left_out = all_of_it.take()
    assert (len(items), left_out) == (1, 2 * (MOST_WAITING // 2 + 1))
    served.forget(episodes)
    assert served.listeners == 1


def test_a_listener_gets_the_incidents_across_streams_and_they_are_no_episodes():
    incidents, names, verdicts = incidents_found()
    served = ServedVerdicts("fleet.csv", names=names, incidents=incidents)
    listener = served.listen(lambda: None, wants_verdicts=False)
    for part in np.split(verdicts, 50):
        incidents.write(part)
        served.write(part)
    events = [event["event"] for event in listener.take()[0] if event["kind"] == "incident"]
    assert events == ["incident", "incident_end"]
    assert {event["kind"] for event in served.episodes(Range(), 1000)} == {"spike"}

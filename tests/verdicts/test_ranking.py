import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamforest.protocols import STREAM_VERDICT_DTYPE
from streamforest.stream_names import StreamNames
from streamforest.verdicts.ranking import HALF_LIFE, PAST, StreamRanking


class Streams:
    """Verdicts of several streams, as a run gives them."""

    def __init__(self, keys, **options):
        self.names = StreamNames()
        self.numbers = dict(zip(keys, self.names.numbers_of(list(keys)), strict=True))
        self.ranking = StreamRanking(self.names, **options)
        self.indices = dict.fromkeys(self.numbers.values(), 0)

    def rows(self, key, n, p_values=0.5, episode=0):
        rows = np.zeros(n, STREAM_VERDICT_DTYPE)
        number = rows["stream"] = self.numbers[key]
        first = self.indices[number]
        rows["index"] = np.arange(first, first + n)
        self.indices[number] += n
        rows["value"], rows["time"] = rows["index"] * 10.0 + number, np.nan
        rows["p_value"], rows["score"], rows["is_anomaly"], rows["episode"] = p_values, 0.5, episode > 0, episode
        rows["expected"], rows["lower"], rows["upper"], rows["reason"] = 1.0, 0.0, 2.0, int(episode > 0)
        return rows

    def write(self, key, n, **options):
        self.ranking.write(self.rows(key, n, **options))

    def order(self):
        return [rank.key for rank in self.ranking.ranks(0, 100)]


def test_streams_in_an_episode_come_first_then_the_rarest_anomalies():
    streams = Streams("abcd")
    for key, p_value in (("b", 1e-6), ("c", 1e-4)):
        streams.write(key, 1, p_values=p_value, episode=1)
        streams.write(key, 20)
    streams.write("a", 30)
    streams.write("d", 1, p_values=1e-3, episode=1)
    assert streams.order() == ["d", "b", "c", "a"]
    first, second, *_, last = streams.ranking.ranks(0, 100)
    assert (first.state, second.state, last.state) == ("anomalous", "calm", "calm")
    assert (second.episodes, second.anomalies, second.worst_p, second.points) == (1, 1, 1e-6, 21)
    assert second.reason.startswith("spike: ")
    assert [rank.key for rank in streams.ranking.ranks(1, 2)] == ["b", "c"]


def test_an_anomaly_counts_less_and_less_as_its_stream_goes_on():
    streams = Streams("ab")
    streams.write("a", 1, p_values=1e-6, episode=1)
    streams.write("a", int(HALF_LIFE))
    streams.write("b", 1, p_values=1e-4, episode=1)
    streams.write("b", 10)
    assert streams.order() == ["b", "a"], "6 decades weigh 3 by now, less than 4"


def test_states_follow_the_newest_point():
    streams = Streams("abc")
    streams.write("a", 1, p_values=np.nan)
    streams.write("b", 1, p_values=0.01)
    streams.write("c", 1)
    assert [rank.state for rank in streams.ranking.ranks(0, 3)] == ["warming up", "unusual", "calm"]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 2 * PAST)), max_size=12), st.integers(1, 5))
def test_the_newest_points_of_each_stream_are_kept_however_they_come(pieces, blocks):
    streams = Streams("abc")
    parts = [streams.rows(key, n) for key, n in pieces]
    whole = np.concatenate(parts) if parts else np.zeros(0, STREAM_VERDICT_DTYPE)
    for block in np.array_split(whole, blocks):
        if len(block):
            streams.ranking.write(block)
    assert streams.ranking.end == len(whole)
    for rank in streams.ranking.ranks(0, 3):
        mine = whole[whole["stream"] == rank.number]
        assert streams.ranking.past(rank.number)["value"].tolist() == mine["value"][-PAST:].tolist()


def test_where_all_places_are_taken_an_anomalous_stream_takes_that_of_the_least_bad():
    streams = Streams("abc", most_pasts=2)
    streams.write("a", 1, p_values=1e-6, episode=1)
    streams.write("b", 5)
    streams.write("c", 5)
    assert len(streams.ranking.past(streams.numbers["c"])) == 0
    streams.write("c", 1, p_values=1e-4, episode=1)
    streams.write("c", 2)
    assert streams.ranking.past(streams.numbers["c"])["value"].tolist() == [52.0, 62.0, 72.0]
    assert len(streams.ranking.past(streams.numbers["b"])) == 0
    assert len(streams.ranking.past(streams.numbers["a"])) == 1


def test_where_the_run_was_resumed_streams_are_known_from_their_first_point_that_comes():
    streams = Streams("ab")
    streams.indices[streams.numbers["a"]] = 700
    streams.write("a", 3, p_values=1e-6, episode=4)
    streams.write("a", 2)
    streams.write("b", 2)
    (first, second) = streams.ranking.ranks(0, 2)
    assert (first.key, first.points, first.anomalies, first.episodes) == ("a", 705, 3, 4)
    assert streams.ranking.past(first.number)["value"].tolist() == [7000.0, 7010.0, 7020.0, 7030.0, 7040.0]
    assert streams.ranking.past(second.number)["value"].tolist() == [1.0, 11.0]


def test_a_stream_that_is_dropped_is_gone_and_its_number_starts_from_nothing():
    streams = Streams("ab")
    streams.write("a", 1, p_values=1e-6, episode=1)
    streams.write("b", 3)
    streams.names.drop([streams.numbers["a"]])
    assert streams.order() == ["b"]
    (number,) = streams.names.numbers_of(["c"])
    assert number == streams.numbers["a"]
    streams.indices[number], streams.numbers["c"] = 0, number
    streams.write("c", 2)
    rank = next(rank for rank in streams.ranking.ranks(0, 9) if rank.key == "c")
    assert (rank.points, rank.anomalies, rank.episodes, rank.worst_p, rank.reason) == (2, 0, 0, None, "")
    assert len(streams.ranking.past(number)) == 2


def test_the_newest_verdict_is_that_of_the_last_point():
    streams = Streams("ab")
    assert streams.ranking.newest(1).shape == (0,)
    streams.write("b", 3)
    assert streams.ranking.newest(1)["value"].tolist() == [pytest.approx(21.0)]

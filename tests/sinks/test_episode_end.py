import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamforest.protocols import VERDICT_DTYPE
from streamforest.sinks.episode_end import EpisodeEndSink
from streamforest.verdicts.episodes import EPISODE_GAP


def blocks(flags, cuts):
    rows = np.zeros(len(flags), VERDICT_DTYPE)
    rows["index"] = np.arange(len(flags))
    rows["is_anomaly"] = flags
    rows["p_value"] = np.where(flags, 0.0001, 0.5)
    places = np.flatnonzero(flags)
    rows["episode"][places] = np.cumsum(np.diff(places, prepend=-EPISODE_GAP - 2) > EPISODE_GAP + 1)
    return [part for part in np.split(rows, sorted(cuts)) if len(part)]


def test_it_tells_when_the_episode_is_over_and_not_before():
    said = []
    sink = EpisodeEndSink(said.append)
    flags = [False, True, True, *[False] * (EPISODE_GAP + 1)]
    for block in blocks(flags, range(1, len(flags))):
        assert not said
        sink.write(block)
    assert said == [1]
    sink.close()
    assert said == [1]


def test_an_episode_is_over_after_as_many_normal_points_as_the_cool_down_and_one_more():
    said = []
    sink = EpisodeEndSink(said.append, 2)
    flags = [True, False, False, False]
    for block in blocks(flags, range(1, len(flags))):
        assert not said
        sink.write(block)
    assert said == [0]


@given(flags=st.lists(st.booleans(), min_size=1, max_size=40), cuts=st.sets(st.integers(1, 39)))
def test_each_episode_is_told_of_once_however_the_stream_is_cut(flags, cuts):
    said = []
    sink = EpisodeEndSink(said.append)
    for block in blocks(flags, [cut for cut in cuts if cut < len(flags)]):
        sink.write(block)
    sink.close()
    places = np.flatnonzero(flags)
    assert said == places[np.diff(places, prepend=-EPISODE_GAP - 2) > EPISODE_GAP + 1].tolist()

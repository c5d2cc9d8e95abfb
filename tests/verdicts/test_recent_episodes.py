import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamforest.verdicts.episodes import EpisodeFold
from streamforest.verdicts.recent_episodes import RecentEpisodes
from tests.pages import stream


@given(cuts=st.sets(st.integers(1, 299)))
def test_episodes_are_the_same_however_the_stream_is_cut(cuts):
    rows = stream(300, [20, 60, 61, 299])
    rows["episode"][61] = rows["episode"][60]
    kept = RecentEpisodes(most=2)
    for block in np.split(rows, sorted(cuts)):
        kept.write(block)
    kept.close()
    fold = EpisodeFold()
    wanted = [episode for happening, episode in [*fold.add(rows), *fold.finish()] if happening == "end"]
    assert kept.kept == wanted[-2:]
    assert kept.ended == len(wanted) == 3

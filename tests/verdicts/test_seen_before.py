import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamforest.program.opinions import NOTHING, Opinions
from streamforest.protocols import REASONS, VERDICT_DTYPE
from streamforest.sinks.episode_lines import EpisodeLinesSink
from streamforest.sinks.event_log import EventLogSink
from streamforest.storage.verdict_file import VerdictFile
from streamforest.verdicts.episodes import EpisodeFold
from streamforest.verdicts.life import EpisodeLife
from streamforest.verdicts.seen_before import SeenBefore, likeness_event, likeness_text

LONG = 30  # points from one episode to the next


def rows_of(*episodes):
    """Verdicts with an episode of a reason and sizes every LONG points, calm between them."""
    rows = np.zeros(LONG * (len(episodes) + 1), VERDICT_DTYPE)
    rows["index"] = np.arange(len(rows))
    rows["time"], rows["p_value"] = 1.7e9 + 60.0 * rows["index"], 0.5
    rows["lower"], rows["upper"], rows["score"] = -1.0, 1.0, 0.2
    for k, (reason, *sizes) in enumerate(episodes):
        own = rows[LONG * (k + 1) : LONG * (k + 1) + len(sizes)]
        own["value"], own["is_anomaly"], own["episode"], own["p_value"] = sizes, True, k + 1, 1e-5
        own["reason"], own["score"] = REASONS.index(reason), 0.5 + np.abs(sizes) / 1000
    return rows


def seen_of(rows, cuts=(), said=None):
    """The sink that has seen them, and of each episode what it was like at its start and at its end."""
    seen = SeenBefore("a.csv", **({} if said is None else {"said": said}))
    for part in np.split(rows, cuts):
        seen.write(part)
    found = [(h, one) for h, one in [*EpisodeFold().add(rows)] if h != "worse"]
    return seen, [(h, like and like.past.first) for h, one in found for like in [seen.of(one, h)]]


FOUR = rows_of(("spike", 5.0, 9.0), ("spike", 50.0), ("dip", -5.0, -9.0), ("spike", 5.5, 8.0), ("spike", 45.0))


def test_an_episode_is_like_the_nearest_of_its_kind_and_direction_and_one_without_likeness_is_like_none():
    _, likes = seen_of(FOUR)
    starts = [first for happening, first in likes if happening == "start"]
    ends = [first for happening, first in likes if happening == "end"]
    assert starts == [None, None, None, LONG, 2 * LONG]
    assert ends == starts


def test_one_that_begins_alike_is_another_at_its_end_if_it_became_larger_or_longer():
    seen, likes = seen_of(rows_of(("spike", 5.0), ("spike", 5.0, *[9.0] * 12)))
    assert seen.of_start(2 * LONG) is None
    assert likes == [("start", None), ("end", None), ("start", LONG), ("end", None)]


@settings(max_examples=25)
@given(cuts=st.lists(st.integers(1, len(FOUR) - 1), max_size=5), kept=st.integers(0, 4))
def test_the_answers_are_the_same_however_the_stream_is_cut_and_resumed(cuts, kept):
    whole = seen_of(FOUR)[0]
    cut, answers = SeenBefore("a.csv"), {}
    for number, part in enumerate(np.split(FOUR, sorted(set(cuts)))):
        cut.write(part)
        if number == kept:
            answers, state = dict(cut._answers), cut.state()
            cut = SeenBefore("a.csv")
            cut.restore(state, cut=True)
    assert answers | cut._answers == whole._answers


def test_a_state_that_is_none_is_refused():
    state = seen_of(FOUR)[0].state()
    with pytest.raises(ValueError, match="saved"):
        SeenBefore("a.csv").restore({**state, "past": state["past"][:7]}, cut=True)
    forged = state["past"].tobytes().replace(b"9.0", b"NaN")
    with pytest.raises(ValueError, match="saved"):
        SeenBefore("a.csv").restore({**state, "past": np.frombuffer(forged, np.uint8)}, cut=True)


def test_what_a_person_said_of_the_earlier_one_is_told_with_it_everywhere(tmp_path):
    file = VerdictFile(tmp_path / "verdicts.jsonl")
    opinions = Opinions("a.csv", file)
    opinions.say(NOTHING, FOUR[LONG : LONG + 2])
    text = file.path.read_text().replace('"note": ""', '"note": "backup"')
    file.path.write_text(text)
    seen, _ = seen_of(FOUR, said=opinions.said_of)
    shown, log = io.StringIO(), tmp_path / "episodes.log"
    life = EpisodeLife("a.csv", like=lambda episode, happening: likeness_event(seen.of(episode, happening)))
    lines = EpisodeLinesSink(shown, False, seen=seen)
    kept = EventLogSink(log, 10**6, 3, source="a.csv", seen=seen)
    for sink in (lines, kept):
        sink.write(FOUR)
        sink.close()
    events = [event["seen_before"] for event in life.add(FOUR) if event["episode"] == 4 and event["event"] != "worse"]
    assert [(one["start_index"], one["verdict"], one["note"]) for one in events] == [(LONG, "nothing", "backup")] * 2
    assert "seen before, 2023-11-14T22:43:20Z: +9, 2 points, said to be nothing: backup\n" in (shown.getvalue())
    assert shown.getvalue().count("backup") == 1, "the end is like the same one"
    lines_found = [line for line in log.read_text().splitlines() if "seen_before=" in line]
    assert len(lines_found) == 4
    assert lines_found[0].endswith('seen_verdict=nothing seen_note="backup"')
    assert likeness_text(seen.of_start(5 * LONG)).endswith("+50, 1 point")


def test_a_number_that_goes_to_another_stream_begins_without_a_past():
    seen = SeenBefore("a.csv")
    seen.write(FOUR)
    seen.write(rows_of(("spike", 5.0, 9.0)))
    assert seen.of_start(LONG) is None

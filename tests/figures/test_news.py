import numpy as np
import pytest

from streamforest.figures import text_parts
from streamforest.figures.news import (
    MOST_EPISODES,
    StreamNews,
    kind_of,
    length_text,
    size_text,
    when_text,
    why_of,
)
from streamforest.protocols import verdict_from_row
from streamforest.verdicts.history import History
from tests.pictures import status, stream


def followed(rows, capacity=50_000):
    history = History(capacity)
    if len(rows):
        history.write(rows)
    news = StreamNews(history)
    news.follow()
    return history, news


@pytest.mark.parametrize(
    ("rows", "now", "alarm"),
    [
        (stream(0), "waiting for the first point", ""),
        (stream(100), "calm", "no alarm among the points that are kept"),  # the run had four
        (stream(261), "anomalous since 02:53:20", "spike: "),
        (stream(300), "calm", "last alarm 02:53:20, spike: "),
        (stream(300, times=False), "calm", "last alarm point 260, spike: "),
    ],
)
def test_the_state_now_and_the_last_alarm_with_its_reason(rows, now, alarm):
    found = followed(rows)[1].news(status())
    assert found.now == now
    assert found.alarm.startswith(alarm)
    assert (alarm == "") == (found.alarm == "")


def test_a_stream_that_has_ended_is_neither_calm_nor_anomalous_any_more():
    for rows in (stream(0), stream(261), stream(300)):
        found = followed(rows)[1].news(status(has_ended=True))
        assert found.now == "the stream has ended"
        assert ("spike: " in found.alarm) == (len(rows) > 0)


def test_what_an_episode_is_called_is_known_of_each_of_its_points():
    rows = stream(300)
    rows["is_anomaly"][258:262], rows["episode"][258:262] = True, 9
    _, news = followed(rows)
    points = [verdict_from_row(rows[index].item()) for index in (258, 261, 299)]
    assert [news.peak_of(point).index for point in points] == [260, 260, 299]
    assert news.episodes[0].peak.index == 260


def test_before_the_first_alarm_of_a_run_there_is_none_yet():
    assert followed(stream(100))[1].news(status(episodes=0)).alarm == "no alarm yet"


def test_a_rare_point_is_unusual_and_a_warm_up_says_how_far_it_is():
    rows = stream(300)
    rows["p_value"][-1] = 0.01
    assert followed(rows)[1].news(status()).now == "unusual"
    assert followed(stream(20))[1].news(status(warm_up=0.667)).now == "warming up: 66 %"


def test_the_news_are_the_same_however_the_stream_is_cut():
    rows = stream(3_000)
    history, news = followed(rows[:0])
    for first in range(0, 3_000, 37):
        history.write(rows[first : first + 37])
        news.follow()
    at_once = followed(rows)[1]
    assert news.episodes == at_once.episodes
    assert news.news(status()) == at_once.news(status())


def test_episodes_are_listed_newest_first_as_long_as_a_point_of_them_is_kept():
    rows = stream(3_000)
    _, news = followed(rows, capacity=1_000)
    assert [one.peak.index for one in news.episodes] == [2_650, 2_150]
    crowd = stream(3_000)
    crowd["is_anomaly"][::10] = True
    crowd["episode"][::10] = np.arange(1, 301)
    assert len(followed(crowd)[1].episodes) == MOST_EPISODES


def episode(points=1, times=True, reason=1):
    rows = stream(470, times=times)
    rows["is_anomaly"][260 : 260 + points], rows["episode"][260 : 260 + points] = True, 2
    rows["reason"][260 : 260 + points] = reason
    return next(one for one in followed(rows)[1].episodes if one.number == 2)


def test_an_episode_in_words():
    one = episode()
    assert (kind_of(one), length_text(one)) == ("spike", "1 point")
    assert size_text(one) == "+9.03"
    assert why_of(one).startswith("spike: ")
    assert length_text(episode(3)) == "60 min"
    assert length_text(episode(7)) == "3 h"
    assert length_text(episode(7, times=False)) == "7 points"
    assert kind_of(episode(reason=0)) == why_of(episode(reason=0)) == "anomalous"


def test_a_time_is_told_with_its_date_if_it_was_long_ago_and_as_a_point_if_no_calendar_has_it():
    rows = stream(470)
    verdict = verdict_from_row(rows[260].item())
    assert when_text(verdict, verdict.time + 60) == "02:53:20"
    assert when_text(verdict, verdict.time + 1e6) == "05-19 02:53"
    assert when_text(verdict, verdict.time + 4e7) == "2014-05-19 02:53"
    assert when_text(verdict._replace(time=None), 0.0) == when_text(verdict._replace(time=1e15), 0.0) == "point 260"


def test_without_points_it_is_said_that_something_is_compiled(monkeypatch):
    monkeypatch.setattr(text_parts, "is_compiling", lambda: True)
    assert followed(stream(0))[1].news(status()).now == "compiling, once"

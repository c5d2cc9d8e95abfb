import math

import pytest

from benchmarks.speed_chart import _FIGURES, _GROWTH, draw
from benchmarks.speed_rounds import Cost


def figures(topic):
    return [Cost(topic, who, math.nan, "us", 2.0, 1.0, 30.0) for who in ("StreamDetector.update", "river X")]


def growth(topic):
    return [Cost(topic, who, at, "us", 2.0 * at, at, 3.0 * at) for who in ("a", "river X") for at in (1.0, 1e3)]


ALL = [figures(topic) for topic in _FIGURES] + [growth(topic) for topic in _GROWTH]


@pytest.mark.parametrize("topics", [ALL, ALL[:1]], ids=["all", "one"])
def test_the_picture_shows_the_topics_that_there_are(topics, tmp_path):
    draw(tmp_path / "speed.png", "machine\nversions", [one for topic in topics for one in topic])
    assert (tmp_path / "speed.png").read_bytes().startswith(b"\x89PNG")

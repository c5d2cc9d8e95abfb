import io

import numpy as np
import pytest

from streamforest.protocols import STREAM_VERDICT_DTYPE, VERDICT_DTYPE
from streamforest.sinks.episode_lines import EpisodeLinesSink
from streamforest.stream_names import StreamNames
from streamforest.verdicts.incidents import IncidentFold, Incidents
from tests.verdicts.test_incidents import RATE, names_of, planted_at
from tests.verdicts.test_incidents import verdicts_of as verdicts_of_streams

NOON = 1714564800.0  # 2024-05-01T12:00:00Z


def verdicts_with(*anomalies, n=40, dtype=VERDICT_DTYPE):
    """Calm points, of which some are anomalous: index and value."""
    verdicts = np.zeros(n, dtype)
    verdicts["index"], verdicts["time"] = np.arange(n), NOON + np.arange(n)
    verdicts["value"], verdicts["p_value"], verdicts["score"] = 10.0, 0.5, 0.4
    verdicts["expected"], verdicts["lower"], verdicts["upper"] = 10.0, 8.0, 12.0
    for index, value in anomalies:
        verdicts["value"][index], verdicts["is_anomaly"][index], verdicts["reason"][index] = value, True, 1
        verdicts["score"][index], verdicts["episode"][index] = value / 100, 1 if index < 20 else 2
    return verdicts


def written(verdicts, colour=False, stream=None, names=None, every=1):
    stream = io.StringIO() if stream is None else stream
    sink = EpisodeLinesSink(stream, colour, 5, names)
    for first in range(0, len(verdicts), every):
        sink.write(verdicts[first : first + every])
    sink.close()
    return stream.getvalue()


@pytest.mark.parametrize("every", [1, 7, 100])
def test_an_episode_has_a_line_at_its_start_when_it_becomes_worse_and_at_its_end_which_names_the_worst(every):
    verdicts = verdicts_with((10, 50.0), (11, 90.0), (12, 95.0), (30, 60.0))
    assert written(verdicts, every=every).splitlines() == [
        "! 2024-05-01T12:00:10Z  spike: 50, expected 10 +- 2",
        "  2024-05-01T12:00:11Z  worse: spike: 90, expected 10 +- 2",
        "  2024-05-01T12:00:12Z  over, 3 anomalous points; worst: spike: 95, expected 10 +- 2",
        "! 2024-05-01T12:00:30Z  spike: 60, expected 10 +- 2",
    ]


def test_a_calm_stream_says_nothing_and_a_time_that_is_unknown_is_a_place():
    assert written(verdicts_with()) == ""
    verdicts = verdicts_with((10, 50.0))
    verdicts["time"] = np.nan
    assert written(verdicts).startswith("! point 10  spike")


def test_the_start_is_in_colour_and_has_a_triangle_where_the_stream_can_show_one():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    sink = EpisodeLinesSink(stream, True)
    sink.write(verdicts_with((10, 50.0)))
    line = "\u25b2 2024-05-01T12:00:10Z  spike: 50, expected 10 \u00b1 2"
    assert stream.buffer.getvalue().decode() == f"\x1b[1;31m{line}\x1b[0m\n"


def test_of_many_streams_each_line_has_its_key_and_an_episode_goes_on_after_a_restart():
    names = StreamNames()
    verdicts = verdicts_with((10, 50.0), (11, 40.0), dtype=STREAM_VERDICT_DTYPE)
    verdicts["stream"] = names.numbers_of(["pump 1"])[0]
    first = EpisodeLinesSink(io.StringIO(), False, 5, names)
    first.write(verdicts[:11])
    stream = io.StringIO()
    second = EpisodeLinesSink(stream, False, 5, names)
    assert second.restore(first.state(), cut=True) == ""
    second.write(verdicts[11:])
    assert stream.getvalue() == "  2024-05-01T12:00:11Z  pump 1  over, 2 anomalous points\n"


def incidents_found():
    """A sink that has found an incident, the names of its streams and the verdicts that it was found in."""
    names = names_of()
    incidents = Incidents(IncidentFold(names, "fleet.csv", RATE))
    rows = verdicts_of_streams(names, planted_at(300, 7, range(20, 40)))
    return incidents, names, rows


def test_an_incident_across_streams_has_a_line_when_it_is_complete_and_when_it_is_over():
    incidents, names, rows = incidents_found()
    stream = io.StringIO()
    sink = EpisodeLinesSink(stream, False, names=names, incidents=incidents)
    for part in np.split(rows, 30):
        incidents.write(part)
        sink.write(part)
    sink.close()
    lines = [line for line in stream.getvalue().splitlines() if "incident" in line]
    assert len(lines) == 2
    assert "is over: " in lines[1]
    assert "streams, first s7 (" in lines[0]

"""A run's numbers as text that Prometheus reads, its exposition format 0.0.4."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator, Mapping
from math import isnan
from typing import Literal, NamedTuple

from streamforest.protocols import Status, Verdicts

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Sample(NamedTuple):
    """One number with its name and what it means; None if it is unknown, which leaves it out."""

    name: str
    kind: Literal["counter", "gauge"]
    meaning: str
    number: float | None
    labels: Mapping[str, str] = {}


def exposition(status: Status, newest: Verdicts, version: str) -> bytes:
    """The numbers of a run.

    Parameters
    ----------
    status : Status
        How the run stands.
    newest : Verdicts
        The newest verdict, shape (1,), or none, shape (0,).
    version : str
        Of this program.

    Returns
    -------
    bytes
        Three lines a number. What is unknown yet has none: neither 0 nor NaN differs from a number.
    """
    return "".join(_lines(_samples(status, newest, version))).encode("utf-8", "backslashreplace")


def _samples(status: Status, newest: Verdicts, version: str) -> Iterator[Sample]:
    yield Sample("points_total", "counter", "Points judged, missing readings among them.", status.points)
    yield Sample("refused_readings_total", "counter", "Readings that could not be judged.", status.refused)
    yield Sample("missing_readings_total", "counter", "Points with no value.", status.missing)
    yield Sample("anomalous_points_total", "counter", "Points flagged as anomalous.", status.anomalies)
    yield Sample("episodes_total", "counter", "Events that the anomalous points belong to.", status.episodes)
    if status.happened is not None:
        started, ended = status.happened["start"], status.happened["end"]
        yield Sample("episodes_open", "gauge", "Episodes that are not over yet.", started - ended)
        meaning = "What happened to episodes: start, worse (its peak doubled), end."
        for happening, count in status.happened.items():
            yield Sample("episode_events_total", "counter", meaning, count, {"event": happening})
    for address, delivered, waiting, left_out in status.messages:
        labels = {"address": address}
        yield Sample("messages_delivered_total", "counter", "Messages that an address took.", delivered, labels)
        yield Sample("messages_waiting", "gauge", "Messages that are not delivered yet.", waiting, labels)
        meaning = "Messages that could not be delivered."
        yield Sample("messages_undelivered_total", "counter", meaning, left_out, labels)
    yield Sample("streams", "gauge", "Streams that there are now, where the source holds many.", status.streams)
    yield Sample("alarm_rate_asked", "gauge", "Wanted share of normal points that are flagged.", status.alarm_rate)
    rate = "Share of scored points that were flagged; with labels, of the normal ones."
    yield Sample("alarm_rate_got", "gauge", rate, status.realised_rate)
    yield Sample("alarms_a_day_asked", "gauge", "Most alarms a day, where that is asked for.", status.alarms_a_day)
    yield Sample("precision", "gauge", "Share of episodes that are right, if there are labels.", status.precision)
    yield Sample("recall", "gauge", "Share of labelled events that were found.", status.recall)
    yield Sample("warm_up", "gauge", "Share of the warm-up that is done.", status.warm_up)
    yield Sample("points_per_second", "gauge", "Points a second lately.", status.points_per_second)
    age = "Seconds since the newest point was judged."
    yield Sample("last_point_age_seconds", "gauge", age, status.seconds_since_last_point)
    for name, meaning in (
        ("value", "Newest value."),
        ("expected", "What the newest value was thought to be."),
        ("lower", "Lower end of the band outside which the newest value would be unusual."),
        ("upper", "Upper end of that band."),
        ("score", "Anomaly score of the newest point, 0 to 1, higher = more anomalous."),
        ("threshold", "The limit that its score was held against."),
        ("is_anomaly", "Whether the newest point is anomalous, 1 or 0."),
    ):
        yield Sample(name, "gauge", meaning, float(newest[name][0]) if len(newest) else None)
    run = {"source": status.source, "detector": status.detector}
    yield Sample("run_info", "gauge", "What is watched, and what judges.", 1, run)
    build = {"version": version, "python": platform.python_version()}
    yield Sample("build_info", "gauge", "Versions.", 1, build)


def _lines(samples: Iterable[Sample]) -> Iterator[str]:
    """The lines of the samples that are known; those of one name stand together, behind what it means."""
    by_name: dict[str, list[Sample]] = {}
    for sample in samples:
        if sample.number is not None and not isnan(sample.number):
            by_name.setdefault(f"streamforest_{sample.name}", []).append(sample)
    for name, group in by_name.items():
        yield f"# HELP {name} {group[0].meaning}\n# TYPE {name} {group[0].kind}\n"
        for sample in group:
            labels = ",".join(f'{label}="{_escaped(text)}"' for label, text in sample.labels.items())
            shown = f"{name}{{{labels}}}" if labels else name
            yield f"{shown} {_number(sample.number or 0)}\n"


def _number(number: float) -> str:
    """A number as Go reads it, with all of its digits."""
    return {"inf": "+Inf", "-inf": "-Inf"}.get(text := repr(number), text)


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")

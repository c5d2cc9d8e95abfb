"""Tables of the summary: key figures, episodes, the worst streams, labels, agreement, settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from streamforest.figures.text_parts import percent
from streamforest.program.summary.markup import Column, Section, Table, moment_of, number_of
from streamforest.protocols import LABELS
from streamforest.stream_names import shown_key
from streamforest.verdicts.counts import RunCounts
from streamforest.verdicts.episodes import Episode
from streamforest.verdicts.incidents import Incident, keys_text
from streamforest.verdicts.life import episode_id, moment
from streamforest.verdicts.ranking import HALF_LIFE, StreamRanking
from streamforest.wording import DASH, expected_text, half_width, kind_text, number_text

MOST_RANKS = 50  # streams in the ranking, where there are many


def agreement(table: Sequence[Sequence[str]]) -> Section:
    """How far several detectors agree: the rows of ``DetectorComparison.table``, the first is the header."""
    header, *rows = table
    heads = [Column(header[0]), *(Column(name, True) for name in header[1:])]
    return Section(
        "How far the detectors agree",
        "The first one decides. Shared: of the episodes of the row's detector, the share that the column's flags too.",
        table=Table(heads, rows, has_row_heads=True),
    )


def tiles(counts: RunCounts) -> list[tuple[str, str]]:
    """Names and values of the key figures."""
    asked = percent(counts.alarm_rate) if counts.alarms_a_day is None else f"{counts.alarms_a_day:g} a day"
    match = counts.match
    found = [
        *([] if counts.streams is None else [("streams", f"{counts.streams:,}")]),
        ("points", f"{counts.points:,}"),
        ("duration", _duration(counts.seconds)),
        ("points/s", f"{counts.points_per_second:,.{0 if counts.points_per_second >= 100 else 1}f}"),
        ("episodes", f"{counts.episodes:,}"),
        ("anomalous", f"{counts.anomalies:,}"),
        ("normal marked" if match.is_labelled else "alarm rate", percent(counts.realised_rate)),
        ("asked for", asked),
        ("missing", f"{counts.missing:,}"),
        ("refused", f"{counts.refused:,}"),
        ("repaired", f"{counts.repaired:,}"),
    ]
    shares = (("episodes right", match.precision), ("events found", match.recall))
    found += [(name, percent(share)) for name, share in shares if share is not None]
    found += [] if match.f1 is None else [("F1", f"{match.f1:.3f}")]
    return found if match.median_delay is None else [*found, ("median delay", f"{match.median_delay:g} points")]


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def ranking_table(ranking: StreamRanking) -> list[Section]:
    """The worst of many streams, in a table; nothing where no stream had an anomaly."""
    heads = (
        *(Column("", True), Column("stream"), Column("points", True), Column("anomalous", True)),
        *(Column("episodes", True), Column("rarest p-value", True), Column("newest state")),
    )
    rows = [
        (
            *(f"{place}", shown_key(rank.key), f"{rank.points:,}", f"{rank.anomalies:,}", f"{rank.episodes:,}"),
            *(number_of(rank.worst_p, ".2g"), rank.state),
        )
        for place, rank in enumerate(ranking.ranks(0, MOST_RANKS), 1)
        if rank.anomalies
    ]
    note = (
        f"By the rarest of its anomalies, which weighs half after {HALF_LIFE:g} further points of the stream; those in "
        "an episode first."
    )
    return [Section("The worst streams", note, table=Table(heads, rows))] if rows else []


def episode_table(episodes: Sequence[Episode], ended: int, source: str) -> Section:
    """The newest of the episodes that ended, in a table; ``source`` is the name that their ids are made of."""
    if not episodes:
        return Section("Episodes", "None: nothing was unusual enough for an alarm.")
    heads = [
        *([] if episodes[0].key is None else [Column("stream")]),
        *(Column("no.", True), Column("start"), Column("end"), Column("points", True), Column("value at peak", True)),
        *(Column("expected", True), Column("score", True), Column("p-value", True), Column("reason")),
        Column("id"),
    ]
    note = f"The newest {len(episodes):,} of {ended:,}." if ended > len(episodes) else ""
    return Section("Episodes", note, table=Table(heads, [_row(episode, source) for episode in episodes]))


def _row(episode: Episode, source: str) -> list[str]:
    peak = episode.peak
    half = half_width(peak)
    return [
        *([] if episode.key is None else [shown_key(episode.key)]),
        *(f"{episode.number:,}", moment_of(episode.start), moment_of(episode.last), f"{episode.points:,}"),
        *(
            DASH if peak.value is None else number_text(peak.value, half),
            DASH if half is None else expected_text(peak),
            number_of(peak.score, ".3f"),
            number_of(peak.p_value, ".2g"),
        ),
        kind_text(peak),
        episode_id(source, episode.key, episode.start),
    ]


def incident_table(incidents: Sequence[Incident], found: int) -> list[Section]:
    """The newest incidents across streams, in a table; nothing where there was none."""
    heads = (
        *(Column("start"), Column("streams", True), Column("by chance", True), Column("moved first")),
        *(Column("sure", True), Column("then"), Column("id")),
    )
    rows = [
        (
            moment(one.members[0].start),
            f"{len(one.members):,}",
            f"{one.by_chance:.2g}",
            shown_key(one.members[0].key),
            percent(one.sure),
            keys_text(one.members[1:]),
            one.id,
        )
        for one in incidents
    ]
    note = f"Episodes of different streams that began together more often than chance explains. {found:,} were found."
    return [Section("Incidents", note, table=Table(heads, rows))] if rows else []


def label_table(counts: RunCounts) -> list[Section]:
    """How many of the labelled events were found, by kind; nothing without labels."""
    events, found = counts.match.events, counts.match.found
    rows = [
        (LABELS[kind], f"{events[kind]:,}", f"{found[kind]:,}", percent(found[kind] / events[kind]))
        for kind in np.flatnonzero(events).tolist()
    ]
    heads = (Column("kind"), Column("events", True), Column("found", True), Column("share", True))
    return [Section("Labelled events", table=Table(heads, rows, "small"))] if rows else []


def settings_table(settings: Mapping[str, str]) -> Section:
    """All settings of a run, folded in."""
    table = Table((Column(""), Column("")), [*settings.items()], "settings", has_row_heads=True)
    return Section("Settings", table=table, is_folded=True)

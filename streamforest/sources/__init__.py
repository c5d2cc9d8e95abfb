"""Where points come from; one file a source, one entry in the table."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from streamforest.protocols import Source, SourceError
from streamforest.reading.column_layout import ANY_DIALECT, Asked, Dialect
from streamforest.text import did_you_mean, shown


class SourceOptions(NamedTuple):
    """What a user may say about a source; each source takes what concerns it.

    Attributes
    ----------
    notify : callable
        Takes a line for people: of lost connections and the like.
    column, time_column, label_column, key_column : str or None
        Names of columns, for sources that have columns.
    seed : int
        For the simulated source.
    outlier_probability : float
        Probability that a simulated point begins an anomaly, in [0, 0.5].
    follow : bool
        Whether a file is read on as it grows.
    interval : float or None
        Seconds between two looks at a source that has to be asked again and again; None: what is usual for it.
    dialect : Dialect
        How numbers and times are written, for sources that have columns.
    checkpoint : Path or None
        Of the run, for sources that keep what they gave beside it.
    """

    notify: Callable[[str], None]
    column: str | None = None
    time_column: str | None = None
    label_column: str | None = None
    key_column: str | None = None
    seed: int = 1
    outlier_probability: float = 0.0
    follow: bool = False
    interval: float | None = None
    dialect: Dialect = ANY_DIALECT
    checkpoint: Path | None = None

    @property
    def columns(self) -> Asked:
        """Value, time, label and key column."""
        return Asked(self.column, self.time_column, self.label_column, self.key_column)


def _open_simulated(word: str, options: SourceOptions) -> Source:
    from streamforest.sources.simulated import SimulatedSource  # noqa: PLC0415 - only where chosen

    _, colon, profile = word.partition(":")
    return SimulatedSource(options.seed, options.outlier_probability, profile if colon else None)


def _open_stdin(_word: str, options: SourceOptions) -> Source:
    from streamforest.sources.stdin import StdinSource  # noqa: PLC0415 - only where chosen

    return StdinSource(options.columns, options.dialect)


def _open_file(word: str, options: SourceOptions) -> Source:
    if options.follow:
        from streamforest.sources.follow import FollowSource  # noqa: PLC0415 - only where chosen

        return FollowSource(word, options.notify, options.columns, options.dialect)
    from streamforest.sources.file import FileSource  # noqa: PLC0415 - only where chosen

    return FileSource(word, options.columns, options.dialect)


def _open_mqtt(word: str, options: SourceOptions) -> Source:
    from streamforest.sources.mqtt import MqttSource  # noqa: PLC0415 - only where chosen

    return MqttSource(word, options.notify, options.columns, options.dialect)


def _open_kafka(word: str, options: SourceOptions) -> Source:
    from streamforest.sources.kafka import KafkaSource  # noqa: PLC0415 - only where chosen

    return KafkaSource(word, options.notify, options.columns, options.dialect)


def _open_duckdb(word: str, options: SourceOptions) -> Source:
    from streamforest.sources.duckdb import DuckDbSource  # noqa: PLC0415 - only where chosen

    return DuckDbSource(word, options.columns, options.dialect)


def _open_sqlite(word: str, options: SourceOptions) -> Source:
    from streamforest.sources.sqlite import SqliteSource  # noqa: PLC0415 - only where chosen

    return SqliteSource(word, options.columns, options.dialect)


def _open_xlsx(word: str, options: SourceOptions) -> Source:
    from streamforest.sources.xlsx import XlsxSource  # noqa: PLC0415 - only where chosen

    return XlsxSource(word, options.columns, options.dialect)


def _open_prometheus(word: str, options: SourceOptions) -> Source:
    from streamforest.sources.prometheus import PrometheusSource  # noqa: PLC0415 - only where chosen

    return PrometheusSource(word, options.notify, options.interval, options.key_column)


def _open_price(word: str, options: SourceOptions) -> Source:
    from streamforest.sources.price import PriceSource  # noqa: PLC0415 - only where chosen

    return PriceSource(word, options.notify, options.interval)


def _open_system(word: str, options: SourceOptions) -> Source:
    from streamforest.sources.system import SystemSource  # noqa: PLC0415 - only where chosen

    what, _, part = word.partition(":")
    return SystemSource(what, part, options.interval)


def _open_serve(word: str, options: SourceOptions) -> Source:
    from streamforest.sources.serve import ServeSource  # noqa: PLC0415 - only where chosen

    if word != "serve":
        raise SourceError(f"there is no source {shown(word)}; serve stands alone, --port and others say where")
    return ServeSource(options.columns, options.dialect, options.checkpoint, options.notify)


#: What opens the source that a word names, by the word or what stands before its first colon; any other word is the
#: path of a file. The module of a source is imported only where it is chosen.
SOURCES: dict[str, Callable[[str, SourceOptions], Source]] = {
    "simulated": _open_simulated,
    "-": _open_stdin,
    **dict.fromkeys(("cpu", "memory", "network", "disk"), _open_system),
    "mqtt": _open_mqtt,
    "mqtts": _open_mqtt,
    "kafka": _open_kafka,
    "duckdb": _open_duckdb,
    "sqlite": _open_sqlite,
    "xlsx": _open_xlsx,
    "prometheus": _open_prometheus,
    "price": _open_price,
    "serve": _open_serve,
}


def open_source(word: str, options: SourceOptions) -> Source:
    """The source that a word of the command line names: one of SOURCES, or else a file.

    Raises
    ------
    SourceError
        It cannot be opened.
    MissingPackageError
        It needs a package that is not installed.
    """
    kind = word.partition(":")[0]
    if kind not in SOURCES and "://" in word:  # what it says may be secret
        kinds = ", ".join(name for name in SOURCES if name.isalpha())
        raise SourceError(f"there is no source {shown(kind)}; there are {kinds}, - and the paths of files")
    if kind.isalnum() and kind not in SOURCES and not options.follow and not os.path.lexists(word):
        guess = did_you_mean(kind, SOURCES)
        if guess:
            raise SourceError(f"there is no file {shown(kind)}{guess}")
    return SOURCES.get(kind, _open_file)(word, options)

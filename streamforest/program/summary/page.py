"""One HTML page that tells of a whole run: chart, figures, episodes, settings; opens from disk, loads nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from tornado.template import Template

from streamforest.program.summary.chart import stream_chart
from streamforest.program.summary.markup import Section, printable
from streamforest.program.summary.pictures import episode_cards, ranking_pictures
from streamforest.program.summary.script import colours, digest_of, parts, script, style
from streamforest.program.summary.tables import episode_table, label_table, ranking_table, settings_table, tiles
from streamforest.protocols import Status, VerdictMemory
from streamforest.storage.safe_files import hidden_name, whole_file
from streamforest.verdicts.counts import RunCounts
from streamforest.verdicts.history import History
from streamforest.verdicts.ranking import StreamRanking
from streamforest.verdicts.recent_episodes import RecentEpisodes

PAGE = Path(__file__).with_name("page.html")


def _of_one_stream(
    history: History, status: Callable[[], Status], points: int, episodes: RecentEpisodes
) -> Sequence[Section]:
    kept = episodes.kept
    return stream_chart(history, status, points, kept, episodes.ended), *episode_cards(history, kept)


def _of_many_streams(
    ranking: StreamRanking, status: Callable[[], Status], _points: int, _episodes: RecentEpisodes
) -> Sequence[Section]:
    return ranking_pictures(ranking, status), *ranking_table(ranking)


#: Name of what is kept of the verdicts -> the sections that show it.
PICTURES: dict[str, Callable[..., Sequence[Section]]] = {
    History.name: _of_one_stream,
    StreamRanking.name: _of_many_streams,
}


@dataclass(frozen=True)
class Facts:
    """What the page says of a run beside its numbers.

    Attributes
    ----------
    source, detector : str
        Names for people.
    began, ended : datetime
        With a time zone.
    ending : str
        How it ended, in words.
    command : str
        What repeats it.
    settings : mapping of str to str
        All of them.
    versions : str
        Of what it was made with.
    understood : str
        How the source was understood, in words; empty where it has no columns.
    """

    source: str
    detector: str
    began: datetime
    ended: datetime
    ending: str
    command: str
    settings: Mapping[str, str]
    versions: str
    understood: str = ""


def write_summary(path: Path, page: str) -> None:
    """Write a page whole or not at all, in place of what is there.

    Raises
    ------
    OSError
        It cannot be written; nothing is left behind.
    """
    with whole_file(path) as file:
        file.write(page.encode("utf-8", "backslashreplace"))


def check_place(path: Path) -> None:
    """Raise OSError where no page can be written, so that it is reported before a long run and not after it."""
    if path.is_dir():
        raise IsADirectoryError(0, "it is a folder")
    trial = hidden_name(path)
    trial.open("xb").close()
    trial.unlink()


def summary_page(
    facts: Facts,
    counts: RunCounts,
    status: Callable[[], Status],
    memory: VerdictMemory,
    episodes: RecentEpisodes,
    further: Sequence[Section] = (),
) -> str:
    """The page, complete.

    Parameters
    ----------
    facts : Facts
        What the page says beside the numbers.
    counts : RunCounts
        The numbers.
    status : callable
        Gives the run's Status.
    memory : VerdictMemory
        The points that are kept, for the pictures.
    episodes : RecentEpisodes
        For the table.
    further : sequence of Section
        Stand behind the episodes.
    """
    kept = episodes.kept
    sections = [
        *PICTURES[memory.name](memory, status, counts.points, episodes),
        episode_table(kept, episodes.ended, facts.source),
        *further,
        *label_table(counts),
        *([Section("As the source was understood", note=facts.understood)] if facts.understood else []),
        Section("Run it again", code=facts.command),
        settings_table(facts.settings),
    ]
    has_chart = any(section.chart for section in sections)
    began, ended = (f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}" for moment in (facts.began, facts.ended))
    page = Template(PAGE.read_text(encoding="utf-8"), whitespace="single").generate(
        light=colours()[0],
        dark=colours()[1],
        style=style() if has_chart else "",
        script=script() if has_chart else "",
        policy=f"; script-src '{digest_of(script())}'" if has_chart else "",
        facts=printable(asdict(facts)),
        times=f"{began} to {ended} UTC",
        tiles=tiles(counts),
        sections=printable(sections),
        **parts(),
    )
    return page.decode("utf-8")

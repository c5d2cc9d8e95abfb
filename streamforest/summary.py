"""One HTML page that tells of a whole run: picture, figures, episodes, settings; opens from disk, loads nothing."""

from __future__ import annotations

import base64
import html
import io
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from streamforest.episodes import EPISODE_GAP, Episode, EpisodeFolds
from streamforest.figure import THEMES, percent
from streamforest.history import Floats, History
from streamforest.metrics import RunCounts
from streamforest.moments import iso_time
from streamforest.plain import plain
from streamforest.protocols import LABELS, Status, Verdict, Verdicts
from streamforest.ranking import HALF_LIFE, PAST, StreamRanking
from streamforest.ranking_figure import figure_of
from streamforest.shapes import runs
from streamforest.stream_names import StreamNames, shown_key
from streamforest.whole_file import hidden_name, whole_file

PAGE = Path(__file__).with_name("summary.html")
MOST_EPISODES = 1_000  # in the table, the newest
MOST_RANKS = 50  # streams in the ranking, where there are many
MOST_CARDS = 6  # episodes with a picture of their own
BEFORE, AFTER, LONGEST = 60, 40, 300  # points around an episode, and in all, in its picture
PLUS_MINUS = "\N{PLUS-MINUS SIGN}"
LARGEST = 1e300  # values beyond are drawn there

#: Width and height in inches and pixels an inch of the picture, for a screen and for a phone.
SIZES = {"wide": (12.8, 6.8, 140.0), "narrow": (5.8, 5.8, 180.0)}
CARD_WIDTH, CARD_HEIGHT, CARD_MARGIN = 320.0, 110.0, 8.0  # of an episode's picture, in its own unit


class Section(NamedTuple):
    """One more part of the page: its heading, and its content, which is HTML already."""

    title: str
    content: str


@dataclass(frozen=True)
class Facts:
    """What is to be told of a run beside its numbers.

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
    """

    source: str
    detector: str
    began: datetime
    ended: datetime
    ending: str
    command: str
    settings: Mapping[str, str]
    versions: str


class RecentEpisodes:
    """A sink that keeps the newest episodes.

    Parameters
    ----------
    cool_down : int
        Calm points in a row that an episode survives.
    most : int
        Episodes kept, at least 1.
    names : StreamNames, optional
        Of the streams, where there are many.
    """

    name = "recent episodes"

    def __init__(
        self, cool_down: int = EPISODE_GAP, most: int = MOST_EPISODES, names: StreamNames | None = None
    ) -> None:
        self._fold = EpisodeFolds(cool_down, names)
        self._kept: deque[Episode] = deque(maxlen=most)
        self.ended = 0

    def write(self, verdicts: Verdicts) -> None:
        """Take one block of verdicts, shape (n,), n >= 1."""
        self._keep(episode for happening, episode in self._fold.add(verdicts) if happening == "end")

    def close(self) -> None:
        """Take the open episode as over."""
        self._keep(episode for _, episode in self._fold.finish())

    @property
    def kept(self) -> list[Episode]:
        """The episodes that are kept, in order, the open one among them."""
        return [*self._kept, *self._fold.open]

    def _keep(self, episodes: Iterable[Episode]) -> None:
        for episode in episodes:
            self._kept.append(episode)
            self.ended += 1


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
    """Raise OSError where no page can be written, so that it is known before a long run and not after it."""
    if path.is_dir():
        raise IsADirectoryError(0, "it is a folder")
    trial = hidden_name(path)
    trial.open("xb").close()
    trial.unlink()


def summary_page(
    facts: Facts,
    counts: RunCounts,
    status: Callable[[], Status],
    history: History | StreamRanking,
    episodes: RecentEpisodes,
    further: Sequence[Section] = (),
) -> str:
    """The page, complete.

    Parameters
    ----------
    facts : Facts
        What is to be told beside the numbers.
    counts : RunCounts
        The numbers.
    status : callable
        Gives the run's Status.
    history : History or StreamRanking
        The points that are kept, for the pictures: of one stream or of many.
    episodes : RecentEpisodes
        For the table.
    further : sequence of Section
        Stand behind the episodes.
    """
    kept = episodes.kept
    if isinstance(history, StreamRanking):
        pictures = [_ranking_pictures(history, status), _ranking(history)]
    else:
        pictures = [_pictures(history, status, counts.points), _cards(history, kept)]
    sections = [
        *pictures,
        _table(kept, episodes.ended),
        *(_section(section) for section in further),
        _labels(counts),
        _section(Section("Run it again", f"<pre><code>{_text(facts.command)}</code></pre>")),
        _settings(facts),
    ]
    began, ended = (f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}" for moment in (facts.began, facts.ended))
    slots = {
        "light": _colours("light"),
        "dark": _colours("dark"),
        "source": _text(facts.source),
        "detector": _text(facts.detector),
        "times": f"{began} to {ended} UTC",
        "ending": _text(facts.ending),
        "tiles": "".join(f"<div><dt>{_text(name)}</dt><dd>{_text(text)}</dd></div>" for name, text in tiles(counts)),
        "sections": "\n".join(section for section in sections if section),
        "versions": _text(facts.versions),
    }
    # In one go: what is put in may look like a slot itself.
    return re.sub(r"@(\w+)@", lambda slot: slots[slot[1]], PAGE.read_text(encoding="utf-8"))


def agreement(table: Sequence[Sequence[str]]) -> Section:
    """How far several detectors agree: the rows of ``DetectorComparison.table``, the first is the header."""
    header, *rows = table

    def cells(row: Sequence[str], tag: str) -> str:
        first, *others = (_text(cell) for cell in row)
        return (
            f"<tr><th scope=row>{first}</th>" + "".join(f"<{tag} class=n>{cell}</{tag}>" for cell in others) + "</tr>"
        )

    return Section(
        "How far the detectors agree",
        '<p class="note">The first one decides. Shared: of the episodes of the row\'s detector, the share that the '
        "column's flags too.</p>"
        f'<div class="scroll"><table><thead>{cells(header, "th")}</thead>'
        f"<tbody>{''.join(cells(row, 'td') for row in rows)}</tbody></table></div>",
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
        ("alarm rate", percent(counts.realised_rate)),
        ("asked for", asked),
        ("missing", f"{counts.missing:,}"),
        ("refused", f"{counts.refused:,}"),
        ("repaired", f"{counts.repaired:,}"),
    ]
    shares = (("precision", match.precision), ("recall", match.recall), ("F1", match.f1))
    found += [(name, f"{share:.3f}") for name, share in shares if share is not None]
    return found if match.median_delay is None else [*found, ("median delay", f"{match.median_delay:g} points")]


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def _text(text: str) -> str:
    """Text from outside, as HTML that shows it."""
    return html.escape(plain(text))


def _colours(theme: str) -> str:
    return " ".join(f"--{name}: {colour};" for name, colour in asdict(THEMES[theme]).items())


def _section(section: Section) -> str:
    return f"<section>\n<h2>{_text(section.title)}</h2>\n{section.content}\n</section>"


# Pictures


def _pictures(history: History, status: Callable[[], Status], points: int) -> str:
    """The stream as far as it is kept, in the colours and the size that the reader's screen has."""
    kept = history.end - history.first
    if not kept:
        return '<p class="note">No point was judged.</p>'
    what = f"The newest {kept:,} of {points:,} points" if kept < points else f"All {points:,} points"
    # One picture a theme, of which the style shows one: a printer would not choose anew among sources.
    return (
        f"<figure>\n{''.join(_picture(history, status, theme) for theme in THEMES)}"
        f"<figcaption>{what}. Each column of pixels shows its lowest and highest value.</figcaption>\n</figure>"
    )


def _picture(
    history: History | StreamRanking,
    status: Callable[[], Status],
    theme: str,
    what: str = "The stream with its expected band and anomalies above, score and threshold below",
) -> str:
    """What is kept, in one theme, in two sizes; ``what``: in words."""
    wide, narrow = (_png(history, status, theme, *SIZES[size]) for size in ("wide", "narrow"))
    width, height, _ = SIZES["wide"]
    return (
        f'<picture class="{theme}">\n<source media="screen and (max-width: 640px)" srcset="{narrow}">\n'
        f'<img src="{wide}" width="{100 * width:.0f}" height="{100 * height:.0f}" alt="{what}">\n</picture>\n'
    )


def _png(
    history: History | StreamRanking,
    status: Callable[[], Status],
    theme: str,
    width: float,
    height: float,
    dpi: float,
) -> str:
    """The picture without its line of numbers, which the page has itself, as an address that holds it."""
    stream = figure_of(history, status, theme=theme, size=(width, height), dpi=dpi)
    stream.show_all()
    figure = stream.picture().figure
    header = figure.axes[0]
    header.set_visible(False)
    box = Bbox.from_bounds(0, 0, width, height * (1 - header.get_position().height))
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi="figure", facecolor=figure.get_facecolor(), bbox_inches=box)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def _ranking_pictures(ranking: StreamRanking, status: Callable[[], Status]) -> str:
    """The worst of many streams at the end of the run."""
    if not ranking.end:
        return '<p class="note">No point was judged.</p>'
    what = "The worst streams with their expected band and anomalies, and a ranking beside them"
    return (
        f"<figure>\n{''.join(_picture(ranking, status, theme, what) for theme in THEMES)}"
        f"<figcaption>The worst streams at the end of the run, the newest {PAST} points of each.</figcaption>\n"
        "</figure>"
    )


def _ranking(ranking: StreamRanking) -> str:
    """The worst of many streams, in a table."""
    heads = (
        *(("", True), ("stream", False), ("points", True), ("anomalous", True), ("episodes", True)),
        *(("rarest p-value", True), ("newest state", False)),
    )
    rows = [
        (
            *(f"{place}", shown_key(rank.key), f"{rank.points:,}", f"{rank.anomalies:,}", f"{rank.episodes:,}"),
            *(_number(rank.worst_p, ".2g"), rank.state),
        )
        for place, rank in enumerate(ranking.ranks(0, MOST_RANKS), 1)
        if rank.anomalies
    ]
    if not rows:
        return ""

    def line(cells: Sequence[str], tag: str) -> str:
        marked = zip(cells, heads, strict=True)
        return "".join(f"<{tag}{' class=n' if is_n else ''}>{_text(cell)}</{tag}>" for cell, (_, is_n) in marked)

    table = (
        f'<div class="scroll"><table><thead><tr>{line([head for head, _ in heads], "th")}</tr></thead>\n<tbody>\n'
        + "\n".join(f"<tr>{line(row, 'td')}</tr>" for row in rows)
        + "\n</tbody></table></div>"
    )
    note = (
        f'<p class="note">By the rarest of its anomalies, which weighs half after {HALF_LIFE:g} further points of the '
        "stream; those in an episode first.</p>"
    )
    return _section(Section("The worst streams", note + table))


def _cards(history: History, episodes: Sequence[Episode]) -> str:
    """The most unusual of the episodes that can still be drawn, each with a small picture."""
    found = [episode for episode in episodes if episode.start.index >= history.first]
    chosen = sorted(found, key=_rarity)[:MOST_CARDS]
    if not chosen:
        return ""
    title = "The most unusual episodes" if len(episodes) > len(chosen) else "The episodes"
    return _section(Section(title, f'<div class="cards">{"".join(_card(history, one) for one in chosen)}</div>'))


def _rarity(episode: Episode) -> tuple[float, float]:
    peak = episode.peak
    return (1.0 if peak.p_value is None else peak.p_value, -(peak.score or 0.0))


def _card(history: History, episode: Episode) -> str:
    start = episode.start.index
    rows = history.view(start - BEFORE, min(episode.last.index + AFTER, start - BEFORE + LONGEST - 1))
    kind, _, numbers = episode.peak.reason.replace("+-", PLUS_MINUS).partition(": ")
    return (
        f"<article><h3>{_text(kind or 'anomalous')}<span>episode {episode.number:,}</span></h3>"
        f"{_drawing(rows, episode)}<p>{_text(numbers)}</p>"
        f"<p>{_moment(episode.start)}, {_many(episode.points)}</p>"
        "</article>"
    )


def _drawing(rows: Verdicts, episode: Episode) -> str:
    """The points around an episode as a small drawing, in the colours that the page has."""
    values, expected, lower, upper = (
        np.clip(rows[name], -LARGEST, LARGEST) for name in ("value", "expected", "lower", "upper")
    )
    known = np.concatenate((values, expected))
    known = known[np.isfinite(known)]
    low, high = (known.min(), known.max()) if len(known) else (0.0, 0.0)
    half = (high / 2 - low / 2) or 1.0

    def height(numbers: Floats) -> Floats:
        inside = np.clip((numbers / 2 - low / 2) / half, -0.06, 1.06)
        return CARD_MARGIN + (1 - inside) * (CARD_HEIGHT - 2 * CARD_MARGIN)

    x = CARD_MARGIN + (CARD_WIDTH - 2 * CARD_MARGIN) * np.arange(len(rows)) / max(1, len(rows) - 1)
    flagged = np.flatnonzero(rows["is_anomaly"] & (rows["episode"] == episode.number))
    left, right = (x[flagged[0]] - 3, x[flagged[-1]] + 3) if len(flagged) else (0.0, 0.0)
    places = height(np.where(np.isfinite(values), values, expected))
    dots = "".join(f'<circle cx="{x[k]:.1f}" cy="{places[k]:.1f}" r="2.6"/>' for k in flagged if places[k] == places[k])
    return (
        f'<svg viewBox="0 0 {CARD_WIDTH:g} {CARD_HEIGHT:g}" role="img" aria-label="The points around the episode">'
        f'<rect x="{left:.1f}" width="{right - left:.1f}" height="{CARD_HEIGHT:g}"/>'
        f'<path class="band" d="{_band(x, height(lower), height(upper))}"/>'
        f'<path class="expected" d="{_line(x, height(expected))}"/>'
        f'<path class="value" d="{_line(x, height(values))}"/>{dots}</svg>'
    )


def _line(x: Floats, y: Floats) -> str:
    """A path through the points that are known, with gaps where they are not."""
    return "".join("M" + "L".join(_points(x, y, a, b)) for a, b in _stretches(np.isfinite(y)))


def _stretches(known: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """First and last offset of each stretch of what is known."""
    yield from zip(*runs(known * (np.cumsum(~known) + 1)), strict=True)


def _band(x: Floats, lower: Floats, upper: Floats) -> str:
    return "".join(
        "M" + "L".join([*_points(x, upper, a, b), *reversed(_points(x, lower, a, b))]) + "Z"
        for a, b in _stretches(np.isfinite(lower) & np.isfinite(upper))
    )


def _points(x: Floats, y: Floats, first: int, last: int) -> list[str]:
    return [f"{a:.1f} {b:.1f}" for a, b in zip(x[first : last + 1], y[first : last + 1], strict=True)]


# Tables


def _moment(verdict: Verdict) -> str:
    return f"point {verdict.index:,}" if verdict.time is None else iso_time(verdict.time, has_fractions=False)


def _many(points: int) -> str:
    return f"{points:,} point{'' if points == 1 else 's'}"


def _number(number: float | None, form: str = ".6g") -> str:
    return "\N{EN DASH}" if number is None else format(number, form)


def _table(episodes: Sequence[Episode], ended: int) -> str:
    if not episodes:
        return _section(Section("Episodes", '<p class="note">None: nothing was unusual enough for an alarm.</p>'))
    stream = [] if episodes[0].key is None else ["stream"]
    heads = [*stream, "no.", "start", "end", "points", "value at peak", "expected", "score", "p-value", "reason"]
    cells = [(_text(head), head not in ("stream", "start", "end", "reason")) for head in heads]
    head = "".join(f'<th scope="col"{" class=n" if right else ""}>{text}</th>' for text, right in cells)
    rows = "\n".join(_row(episode) for episode in episodes)
    left_out = ended - len(episodes)
    note = f'<p class="note">The newest {len(episodes):,} of {ended:,}.</p>' if left_out > 0 else ""
    table = f'<div class="scroll"><table><thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>'
    return _section(Section("Episodes", note + table))


def _row(episode: Episode) -> str:
    peak = episode.peak
    cells = [
        *([] if episode.key is None else [(_text(shown_key(episode.key)), False)]),
        (f"{episode.number:,}", True),
        (_moment(episode.start), False),
        (_moment(episode.last), False),
        (f"{episode.points:,}", True),
        (_number(peak.value), True),
        (_number(peak.expected), True),
        (_number(peak.score, ".3f"), True),
        (_number(peak.p_value, ".2g"), True),
        (_text(peak.reason.partition(":")[0]), False),
    ]
    return "<tr>" + "".join(f"<td{' class=n' if right else ''}>{text}</td>" for text, right in cells) + "</tr>"


def _labels(counts: RunCounts) -> str:
    """How many of the labelled events were found, by kind; nothing without labels."""
    match = counts.match
    kinds = np.flatnonzero(match.events)
    if not len(kinds):
        return ""
    rows = "\n".join(
        f"<tr><td>{_text(LABELS[kind])}</td><td class=n>{match.events[kind]:,}</td>"
        f"<td class=n>{match.found[kind]:,}</td>"
        f"<td class=n>{percent(match.found[kind] / match.events[kind])}</td></tr>"
        for kind in kinds.tolist()
    )
    head = '<th scope="col">kind</th>' + "".join(
        f'<th scope="col" class=n>{name}</th>' for name in ("events", "found", "share")
    )
    table = f'<table class="small"><thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table>'
    return _section(Section("Labelled events", table))


def _settings(facts: Facts) -> str:
    rows = "\n".join(
        f"<tr><th scope=row>{_text(name)}</th><td>{_text(value)}</td></tr>" for name, value in facts.settings.items()
    )
    return (
        "<section>\n<details><summary><h2>Settings</h2></summary>\n"
        f'<div class="scroll"><table class="settings"><tbody>\n{rows}\n</tbody></table></div></details>\n</section>'
    )

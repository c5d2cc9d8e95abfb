"""Standard output on a terminal whose user sees the points elsewhere: a line for each event of an episode."""

from __future__ import annotations

from typing import TextIO

from streamforest.moments import iso_time
from streamforest.protocols import State, Verdict, Verdicts
from streamforest.stream_names import StreamNames, shown_key
from streamforest.text import escaped
from streamforest.verdicts.episodes import EPISODE_GAP, CoolDown, Episode, EpisodeFolds, Happening, deviation_of
from streamforest.verdicts.incidents import Incident, Incidents, incident_text
from streamforest.verdicts.seen_before import SeenBefore, likeness_text
from streamforest.wording import MINUS, PLUS_MINUS, kind_text, reason_text

SIGN = "\u25b2"
RED, RESET = "\x1b[1;31m", "\x1b[0m"


class EpisodeLinesSink:
    """Episodes as lines for people.

    Parameters
    ----------
    stream : text stream
        Standard output.
    colour : bool
        Whether the start of an episode is coloured.
    cool_down : int or CoolDown
        Calm points in a row that an episode survives.
    names : StreamNames, optional
        Of the streams, where there are many: each line has the key of its own.
    incidents : Incidents, optional
        Of many streams, those that it has found.
    seen : SeenBefore, optional
        Knows which earlier episodes new ones are like.

    Raises
    ------
    OSError
        From ``write``: the stream cannot be written.
    """

    name = "standard output"

    def __init__(
        self,
        stream: TextIO,
        colour: bool,
        cool_down: int | CoolDown = EPISODE_GAP,
        names: StreamNames | None = None,
        incidents: Incidents | None = None,
        seen: SeenBefore | None = None,
    ) -> None:
        self._seen = seen
        self._incidents = incidents
        self._stream, self._colour = stream, colour
        self._encoding = stream.encoding or "ascii"
        self._is_ascii = not _can_show_signs(self._encoding)
        self._fold = EpisodeFolds(cool_down, names)

    def write(self, verdicts: Verdicts) -> None:
        """Take one block of verdicts, shape (n,), n >= 1."""
        text = "".join(self._line(happening, episode) for happening, episode in self._fold.add(verdicts))
        self._write(text + self._of_incidents([] if self._incidents is None else self._incidents.new))

    def _write(self, text: str) -> None:
        if text:
            self._stream.write(text.encode(self._encoding, "backslashreplace").decode(self._encoding))
            self._stream.flush()

    def close(self) -> None:
        """Write an incident that nobody was told of yet; one that is still open has no end, nor has an episode."""
        last = [] if self._incidents is None else self._incidents.finish()
        self._write(self._of_incidents([incident for incident in last if not incident.is_over]))

    def state(self) -> State:
        """The open episodes."""
        return self._fold.state()

    def restore(self, state: State, *, cut: bool) -> str:  # noqa: ARG002 - a terminal takes nothing back
        """Go on from a state; see ResumableSink."""
        self._fold.restore(state)
        return ""

    def _line(self, happening: Happening, episode: Episode) -> str:
        """A line of what happened; where its start said all of an episode of one point, its end has none."""
        key = "" if episode.key is None else f"{shown_key(episode.key)}  "
        if happening == "start":
            line = f"{'!' if self._is_ascii else SIGN} {_moment(episode.start)}  {key}{self._why(episode.start)}"
            return (f"{RED}{line}{RESET}\n" if self._colour else f"{line}\n") + self._like(episode, happening)
        if happening == "worse":
            return f"  {_moment(episode.peak)}  {key}worse: {self._why(episode.peak)}\n"
        kind = kind_text(episode.peak)
        is_news = kind != kind_text(episode.start)
        if episode.points == 1 and not is_news:
            return ""
        points = f"{episode.points:,} anomalous point{'' if episode.points == 1 else 's'}"
        what = f": {kind}" if is_news else ""
        if deviation_of(episode.peak) > episode.reported:
            what = f"; worst: {self._why(episode.peak)}"
        return f"  {_moment(episode.last)}  {key}over, {points}{what}\n" + self._like(episode, happening)

    def _like(self, episode: Episode, happening: Happening) -> str:
        """A line of the earlier episode that one is like; nothing where there is none, or it was said before."""
        if self._seen is None or (like := self._seen.of(episode, happening)) is None:
            return ""
        if happening == "end" and (before := self._seen.of(episode)) is not None and before.past == like.past:
            return ""
        text = escaped(likeness_text(like))
        return f"    {text.replace(MINUS, '-') if self._is_ascii else text}\n"

    def _of_incidents(self, incidents: list[Incident]) -> str:
        sign = "!" if self._is_ascii else SIGN
        lines = []
        for incident in incidents:
            line = f"{' ' if incident.is_over else sign} {incident_text(incident)}"
            lines.append(f"{RED}{line}{RESET}\n" if self._colour and not incident.is_over else f"{line}\n")
        return "".join(lines)

    def _why(self, verdict: Verdict) -> str:
        return verdict.reason if self._is_ascii else reason_text(verdict)


def _can_show_signs(encoding: str) -> bool:
    try:
        f"{SIGN}{MINUS}{PLUS_MINUS}".encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _moment(verdict: Verdict) -> str:
    """When a point was, without a fraction; its place in the stream where it has no time."""
    return f"point {verdict.index:,}" if verdict.time is None else iso_time(verdict.time, has_fractions=False)

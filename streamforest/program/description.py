"""What a run is made of, in one object that does not change: what was asked for, and the parts that do it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, NamedTuple

from streamforest.connections.addresses import without_passwords
from streamforest.program.repeat import repeating
from streamforest.protocols import Source, Status
from streamforest.storage.resumption import Resumption
from streamforest.terminal.console import newest_notice
from streamforest.terminal.stop import StopFlag
from streamforest.verdicts.counts import RunCounts
from streamforest.verdicts.episodes import CoolDown
from streamforest.verdicts.incidents import incident_text

if TYPE_CHECKING:
    from streamforest.connections.outbox import Receiver
    from streamforest.program.judges import PointJudge
    from streamforest.sinks.tell import TellSink
    from streamforest.verdicts.comparison import DetectorComparison
    from streamforest.verdicts.honesty import HonestyCounts
    from streamforest.verdicts.incidents import Incidents
    from streamforest.verdicts.life import EpisodeCounts
    from streamforest.verdicts.seen_before import SeenBefore


class Command(NamedTuple):
    """What the user asked for.

    Attributes
    ----------
    program : str
        The program's name, in front of its messages: a script's or a command's.
    words : sequence of str
        The command line without the program's name.
    options : SimpleNamespace
        Every option, checked.
    on_anomaly : sequence of str
        The program that an episode runs, and its arguments; empty where none is wanted.
    receivers : sequence of (name, Receiver)
        Who gets a message of what happens to episodes.
    asked : SimpleNamespace or None
        The options without the rules that were taken in earlier runs; None where there are none.
    """

    program: str
    words: Sequence[str]
    options: SimpleNamespace
    on_anomaly: Sequence[str] = ()
    receivers: Sequence[tuple[str, Receiver]] = ()
    asked: SimpleNamespace | None = None

    @property
    def repeating(self) -> str:
        """The command line that repeats the run."""
        launch = f"python {self.program}" if self.program.endswith(".py") else self.program
        return repeating(launch, self.words)


@dataclass(frozen=True)
class Run:
    """One run: what was asked for, and what judges and counts.

    Attributes
    ----------
    command : Command
        What the user asked for.
    source : Source
        Where readings come from; a live one sets its own pace.
    judge : PointJudge
        Ready to judge: nothing is loaded or fitted once points come.
    counts : RunCounts
        Fed with every verdict and refusal.
    stop : StopFlag
        Ends the run.
    comparison : DetectorComparison or None
        The detectors that judge along, where several do.
    resumption : Resumption or None
        Keeps the run in a checkpoint as it goes on and at its end.
    episodes : EpisodeCounts or None
        Counts what happens to episodes; a sink of the run where somebody watches.
    tell : TellSink or None
        Sends messages of episodes, where that is asked for.
    cool_down : CoolDown
        Of all that follow its episodes.
    honesty : HonestyCounts or None
        Counts alarms asked for and got; a sink of the run where somebody watches or reads its summary.
    incidents : Incidents or None
        Of many streams, episodes that begin together; a sink in front of those that tell of them.
    seen : SeenBefore or None
        Knows which earlier episodes new ones are like; a sink in front of those that tell of them.
    """

    command: Command
    source: Source
    judge: PointJudge
    counts: RunCounts
    stop: StopFlag
    comparison: DetectorComparison | None = None
    resumption: Resumption | None = None
    episodes: EpisodeCounts | None = None
    tell: TellSink | None = None
    cool_down: CoolDown = field(default_factory=CoolDown)
    honesty: HonestyCounts | None = None
    incidents: Incidents | None = None
    seen: SeenBefore | None = None

    @property
    def options(self) -> SimpleNamespace:
        """Every option, checked."""
        return self.command.options

    @property
    def source_id(self) -> str:
        """Name of the source, without a password: what the ids of its episodes are made of."""
        return without_passwords(self.source.name)

    def status(self) -> Status:
        """How the run stands now, and how far the detectors agree where several judge."""
        judge = self.judge
        status = self.counts.status(self.source.name, judge.name, judge.detectors, judge.warm_up_points)
        status = status._replace(notice=newest_notice())
        if self.comparison is not None:
            status = status._replace(agreement=self.comparison.shared())
        if self.episodes is not None:
            status = status._replace(happened={**self.episodes.happened})
        if self.honesty is not None:
            status = status._replace(honesty=self.honesty.numbers())
        if self.incidents is not None and self.incidents.kept:
            status = status._replace(incident=incident_text(self.incidents.kept[-1]))
        return status if self.tell is None else status._replace(messages=self.tell.counts())

    def summary(self) -> str:
        """The run in a few lines, for people."""
        counted = self.counts.summary()
        return counted if self.comparison is None else f"{counted}\n{self.comparison.summary()}"

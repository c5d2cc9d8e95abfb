"""Writes the summary of a run at its end, where one is asked for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from streamforest.connections.addresses import without_passwords
from streamforest.program.interaction import new_memory
from streamforest.terminal.console import say

if TYPE_CHECKING:
    from streamforest.program.description import Run
    from streamforest.program.watch import Watch
    from streamforest.protocols import Sink


def make_summary(run: Run, watch: Watch | None) -> tuple[Callable[[str], None], list[Sink]]:
    """What writes the page of the run at its end, given what broke it, with the sinks that it needs."""
    options = run.options
    if options.summary is None:
        return lambda _fault: None, []
    from streamforest.program.repeat import shown_settings, versions  # noqa: PLC0415 - only where it is asked for
    from streamforest.program.summary.honesty import honesty_section  # noqa: PLC0415
    from streamforest.program.summary.page import Facts, check_place, summary_page, write_summary  # noqa: PLC0415
    from streamforest.program.summary.tables import agreement, incident_table  # noqa: PLC0415
    from streamforest.verdicts.recent_episodes import RecentEpisodes  # noqa: PLC0415

    try:
        check_place(options.summary)
    except OSError as error:
        say(f"no summary, the run goes on without it: {options.summary}: {error.strerror or error}")
        return lambda _fault: None, []
    memory = watch.memory if watch is not None else new_memory(run)
    episodes = RecentEpisodes(run.cool_down, names=run.judge.keys)
    began = datetime.now(UTC)

    def write(fault: str) -> None:
        ending = f"failed: {fault}" if fault else "stopped by the user" if run.stop.requested else "all points judged"
        facts = Facts(
            source=without_passwords(run.source.name),
            detector=run.judge.name,
            began=began,
            ended=datetime.now(UTC),
            ending=without_passwords(ending),
            command=run.command.repeating,
            settings=shown_settings(vars(options)),
            versions=versions(),
            understood=run.counts.understood,
        )
        try:
            further = [] if run.honesty is None else [honesty_section(run.honesty.numbers())]
            further += [] if run.incidents is None else incident_table(run.incidents.kept, run.incidents.found)
            further += [] if run.comparison is None else [agreement(run.comparison.table())]
            write_summary(options.summary, summary_page(facts, run.counts, run.status, memory, episodes, further))
        except OSError as error:
            say(f"no summary: {options.summary}: {error.strerror or error}")
        except MemoryError:
            say(f"no summary: {options.summary}: there is not enough memory for it")
        else:
            say(f"summary written: {options.summary}")

    counted = [] if run.honesty is None or watch is not None else [run.honesty]
    return write, [*([memory] if watch is None else []), *counted, episodes]

"""What a run that is served gives to programs, beside the page: readings in, verdicts out."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streamforest.program.description import Run
    from streamforest.views.api import Api

#: The source whose readings are posted.
WORD = "serve"


def is_served(options: SimpleNamespace) -> bool:
    """Whether readings are posted to the run."""
    return bool(options.source == WORD)


def make_api(run: Run) -> Api | None:
    """What programs may do; None for a run that is not served. Its ``served`` is to be a sink of the run."""
    if not is_served(run.options):
        return None
    from streamforest.sinks.terminal import json_lines  # noqa: PLC0415 - only where it is served
    from streamforest.sources.serve import ServeSource  # noqa: PLC0415
    from streamforest.verdicts.served import ServedVerdicts  # noqa: PLC0415
    from streamforest.views.api import Api  # noqa: PLC0415 - tornado

    source, names = run.source, run.judge.keys
    assert isinstance(source, ServeSource)
    served = ServedVerdicts(run.source_id, run.options.cool_down, names, run.options.history, run.incidents)
    return Api(source.queue, served, partial(json_lines, names=names))

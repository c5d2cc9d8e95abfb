"""How a source is understood, and its first readings, to be seen before a run."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np

from streamforest.moments import iso_time
from streamforest.program.loop import OTHERWISE, hint_of_counter, judged_values, understood
from streamforest.protocols import Points, Refusal, Source, SourceError, Stop
from streamforest.reading.validation import Validator
from streamforest.stream_names import StreamNames

#: Readings that are shown, and those that are read to find them.
SHOWN, READ = 5, 100


def explanation(source: Source, stop: Stop, options: SimpleNamespace, names: StreamNames | None = None) -> list[str]:
    """Lines that say how a source is understood, and show its first readings, those of a counter with their growth.

    Raises
    ------
    SourceError
        It cannot be understood, or holds no reading.
    """
    validator = Validator(names)
    found: list[Points] = []
    refusals: list[Refusal] = []
    for points, refused in _checked(source, stop, validator):
        found += [points] if len(points) else []
        refusals += refused
        if sum(map(len, found)) >= SHOWN or len(refusals) >= READ:
            break
    if not found:
        reason = f"; {refusals[0].where}: {refusals[0].reason}" if refusals else ""
        raise SourceError(f"{source.name}: there is no reading in it; {source.describe()}{reason}")
    points = np.concatenate(found)[:READ]
    values = judged_values(source, options, has_keys=names is not None)
    judged = values.of(points, is_last=True)["value"]
    is_counter = bool(values.is_counter)
    form = understood(source, points["time"], options, is_counter=is_counter)
    lines = [f"{source.name}: {form} (otherwise: {OTHERWISE})" if form else f"{source.name}: {source.describe()}"]
    lines += [hint] if (hint := hint_of_counter(source, options, is_counter=is_counter)) else []
    for at, (time, value) in enumerate(zip(points["time"].tolist(), points["value"].tolist(), strict=True)):
        if at < SHOWN:
            when = "no time" if time != time else iso_time(time)
            text = "missing" if value != value else f"{value:.10g}"
            lines.append(f"  {when}  {text}" + (f"  growth {judged[at]:.6g}" if is_counter else ""))
    lines += [f"  refused {refusal.where}: {refusal.reason}" for refusal in refusals[:SHOWN]]
    return lines


def _checked(source: Source, stop: Stop, validator: Validator) -> Iterator[tuple[Points, list[Refusal]]]:
    for block in source.read(stop, READ):
        yield validator.check(block)

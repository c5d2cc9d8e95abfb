"""What visitors of the page keep: the points in view, the ranking and the anomalous points, as CSV or JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from typing import Any

from streamforest.protocols import Verdict, Verdicts, verdict_from_row
from streamforest.stream_names import shown_key
from streamforest.text import inert_cell
from streamforest.verdicts.ranking import Rank

#: Columns of the report that are text; the others are numbers, or True and False.
TEXTS = frozenset({"key", "label", "reason", "flagged_by"})
TRUTHS = {"True": True, "False": False}


def verdicts_csv(rows: Verdicts) -> bytes:
    """Verdicts as CSV, with the columns of the report; unknown numbers are empty."""
    return _csv(Verdict._fields, (verdict_from_row(row) for row in rows.tolist()))


def ranks_csv(ranks: Iterable[Rank]) -> bytes:
    """Streams as CSV, one row each, in order."""
    names = ("key", *Rank._fields[2:])
    return _csv(names, ([inert_cell(shown_key(rank.key)), *rank[2:]] for rank in ranks))


def _csv(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)
    return text.getvalue().encode()


def report_json(report: bytes) -> bytes:
    r"""A report in CSV as a JSON array with an object a row; empty cells are null.

    Examples
    --------
    >>> print(report_json(b"index,value,is_anomaly,reason\n7,1.5,True,spike: 1.5\n8,,False,\n").decode(), end="")
    [{"index": 7, "value": 1.5, "is_anomaly": true, "reason": "spike: 1.5"},
    {"index": 8, "value": null, "is_anomaly": false, "reason": null}]
    """
    rows = csv.DictReader(io.StringIO(report.decode(), newline=""))
    objects = (json.dumps({name: _value(name, cell) for name, cell in row.items()}) for row in rows)
    return ("[" + ",\n".join(objects) + "]\n").encode()


def _value(name: str, cell: str) -> Any:
    if not cell:
        return None
    if name in TEXTS:
        return cell
    if cell in TRUTHS:
        return TRUTHS[cell]
    try:
        return json.loads(cell)
    except ValueError:
        return cell  # "inf", for which JSON has no number

import csv
import io
import json

import numpy as np

from streamforest.protocols import Verdict, verdict_from_row
from streamforest.sinks.report import RecentReport
from streamforest.views.page_downloads import ranks_csv, report_json, verdicts_csv
from tests.visits import ranking, stream


def test_the_points_in_view_are_written_so_that_reading_gives_the_same_numbers():
    rows = stream(120)
    rows["value"][5] = np.nan
    header, *found = csv.reader(io.StringIO(verdicts_csv(rows).decode()))
    assert tuple(header) == Verdict._fields
    for row, cells in zip(rows, found, strict=True):
        verdict = verdict_from_row(row.item())
        assert cells == ["" if part is None else str(part) for part in verdict]


def test_the_anomalies_in_json_are_those_of_the_report():
    report = RecentReport()
    rows = stream(450)
    rows["time"][100] = np.nan
    report.write(rows)
    found = json.loads(report_json(report.csv()))
    assert [one["index"] for one in found] == [0, 100, 200, 300, 400]
    for one in found:
        verdict = verdict_from_row(rows[one["index"]].item())
        assert one == {name: part or None if name == "label" else part for name, part in verdict._asdict().items()}
    assert json.loads(report_json(RecentReport().csv())) == []


def test_a_number_that_json_lacks_is_kept_as_text():
    assert json.loads(report_json(b"index,upper\n3,inf\n")) == [{"index": 3, "upper": "inf"}]


def test_a_key_runs_nothing_in_a_spreadsheet():
    found = ranking(['=1+1,"x"', "valve"], 5)
    header, *rows = csv.reader(io.StringIO(ranks_csv(found.ranks(0, 9)).decode()))
    assert header[:3] == ["key", "state", "points"]
    assert {row[0] for row in rows} == {'\'=1+1,"x"', "valve"}

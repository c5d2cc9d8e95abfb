import csv

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import floats

from streamforest.protocols import LABELS, REASONS, VERDICT_DTYPE, Verdict, verdict_from_row
from streamforest.sinks.report import RecentReport, ReportSink


def verdicts_of(n, **fields):
    verdicts = np.zeros(n, VERDICT_DTYPE)
    verdicts["index"] = np.arange(n)
    verdicts["label"] = -1
    for name, values in fields.items():
        verdicts[name] = values
    return verdicts


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_header_is_the_fields_of_a_verdict_and_there_at_once(tmp_path):
    ReportSink(tmp_path / "report.csv").close()
    assert (tmp_path / "report.csv").read_bytes() == (",".join(Verdict._fields) + "\n").encode()


def test_an_anomalous_point_is_a_row_on_disk_when_write_returns(tmp_path):
    sink = ReportSink(tmp_path / "report.csv")
    sink.write(verdicts_of(3, is_anomaly=[False, True, False]))
    assert [row["index"] for row in rows_of(tmp_path / "report.csv")] == ["1"]
    sink.close()
    sink.close()


def test_what_was_there_is_overwritten(tmp_path):
    (tmp_path / "report.csv").write_text("old\n" * 100, encoding="utf-8")
    ReportSink(tmp_path / "report.csv").close()
    assert rows_of(tmp_path / "report.csv") == []


@settings(deadline=None)
@given(
    st.tuples(*[floats(allow_infinity=False)] * 8), st.integers(-1, len(LABELS) - 1), st.integers(0, len(REASONS) - 1)
)
def test_a_row_reads_back_as_the_verdict_it_was(tmp_path_factory, numbers, label, reason):
    names = ("time", "value", "score", "threshold", "p_value", "expected", "lower", "upper")
    fields = dict(zip(names, numbers, strict=True))
    verdicts = verdicts_of(1, is_anomaly=True, episode=2, label=label, reason=reason, **fields)
    path = tmp_path_factory.mktemp("report") / "report.csv"
    sink = ReportSink(path)
    sink.write(verdicts)
    sink.close()
    (row,) = rows_of(path)
    verdict = verdict_from_row(verdicts[0].item())
    for name in names:
        known = getattr(verdict, name)
        assert row[name] == "" if known is None else float(row[name]) == known
    assert row["reason"] == verdict.reason
    assert row["label"] == (verdict.label or "")
    assert (row["is_anomaly"], row["episode"]) == ("True", "2")


def test_a_folder_that_is_not_there_is_an_error_at_once(tmp_path):
    with pytest.raises(FileNotFoundError):
        ReportSink(tmp_path / "gone" / "report.csv")


def test_a_report_asked_for_later_is_the_one_written_meanwhile(tmp_path):
    rows = some_verdicts(500)
    written, kept = ReportSink(tmp_path / "report.csv"), RecentReport()
    for first in range(0, 500, 7):
        written.write(rows[first : first + 7])
        kept.write(rows[first : first + 7])
    written.close()
    kept.close()
    assert kept.csv() == (tmp_path / "report.csv").read_bytes()
    assert kept.csv().count(b"\n") > 50


def test_a_report_asked_for_later_keeps_the_newest_and_no_more():
    rows = some_verdicts(500)
    kept = RecentReport(10)
    kept.write(rows)
    found = kept.csv().decode().splitlines()[1:]
    assert [line.split(",")[0] for line in found] == [str(i) for i in rows["index"][rows["is_anomaly"]][-10:]]


def some_verdicts(n):
    rng = np.random.default_rng(4)
    rows = np.zeros(n, VERDICT_DTYPE)
    rows["index"] = np.arange(n)
    for name in ("time", "value", "score", "threshold", "p_value", "expected", "lower", "upper"):
        rows[name] = rng.normal(size=n)
    rows["is_anomaly"] = rng.random(n) < 0.2
    return rows

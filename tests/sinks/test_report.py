import csv
import os
import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import floats

from streamforest.protocols import LABELS, REASONS, STREAM_VERDICT_DTYPE, VERDICT_DTYPE, Verdict, verdict_from_row
from streamforest.sinks.report import RecentReport, ReportSink
from streamforest.stream_names import StreamNames
from streamforest.verdicts.life import EpisodeIds, episode_id


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


def test_each_row_ends_with_the_id_of_its_episode_and_goes_on_with_it_after_a_restart(tmp_path):
    rows = verdicts_of(4, is_anomaly=[False, True, True, True], episode=[0, 1, 1, 2], index=[0, 1, 2, 3])
    path = tmp_path / "report.csv"
    sink = ReportSink(path, ids=EpisodeIds("pump.csv"))
    sink.write(rows[:2])
    state = sink.state()
    sink.write(rows[2:])
    sink.close()
    written = path.read_bytes()
    assert written.decode().splitlines()[0] == ",".join([*Verdict._fields, "id"])
    ids = [row["id"] for row in rows_of(path)]
    starts = [verdict_from_row(rows[at].tolist()) for at in (1, 1, 3)]
    assert ids == [episode_id("pump.csv", None, start) for start in starts]
    again = ReportSink(path, ids=EpisodeIds("pump.csv"), goes_on=True)
    assert again.restore(state, cut=True) == ""
    again.write(rows[2:])
    again.close()
    assert path.read_bytes() == written
    recent = RecentReport(ids=EpisodeIds("pump.csv"))
    recent.write(rows)
    assert recent.csv() == written


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


# As its users read it


def report_of(verdicts, folder):
    sink = ReportSink(folder / "report.csv")
    sink.write(verdicts)
    sink.close()
    return folder / "report.csv"


def rich_verdicts():
    """Every reason and label there is, in rows with numbers of every size, some of them unknown."""
    n = len(REASONS) * len(LABELS)
    rows = some_verdicts(n)
    rows["is_anomaly"], rows["episode"] = True, np.arange(1, n + 1)
    rows["reason"], rows["label"] = np.arange(n) % len(REASONS), np.arange(n) // len(REASONS)
    rows["time"] = 1.7e9 + 0.25 * np.arange(n)
    rows["p_value"] = 10.0 ** -np.arange(n)
    rows["value"][:4] = np.nan, -1.5, 1e300, 123456789.125
    rows["expected"][5] = np.nan
    return rows


def test_no_cell_of_text_is_a_formula_to_a_spreadsheet_program(tmp_path):
    rows = rich_verdicts()
    for name in ("value", "expected"):
        rows[name][::3] *= -1
    for row in rows_of(report_of(rows, tmp_path)):
        for cell in (row["reason"], row["label"], row["is_anomaly"]):
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert not [name for name in (*LABELS, *REASONS, *Verdict._fields) if name.startswith(("=", "+", "-", "@"))]


def test_pandas_reads_it_without_options(tmp_path):
    pandas = pytest.importorskip("pandas", reason="needs pandas: tests/optional-requirements.txt")
    rows = rich_verdicts()
    frame = pandas.read_csv(report_of(rows, tmp_path))
    assert list(frame.columns) == list(Verdict._fields)
    for name in Verdict._fields:
        wanted = "b" if name == "is_anomaly" else "i" if name in ("index", "episode") else "f"
        if name not in ("label", "reason"):
            assert frame[name].dtype.kind == wanted, name
            # pandas before 3 reads no more than 15 digits; that all are written the test of rows shows
            np.testing.assert_allclose(frame[name].to_numpy(), rows[name], rtol=1e-13)
    assert frame["label"].tolist() == [LABELS[k] for k in rows["label"]]
    assert frame["reason"].fillna("").tolist() == [verdict_from_row(row.item()).reason for row in rows]
    times = pandas.to_datetime(frame["time"], unit="s", utc=True)
    assert str(times[1]) == "2023-11-14 22:13:20.250000+00:00"


def test_libreoffice_reads_it_without_options(tmp_path):
    openpyxl = pytest.importorskip("openpyxl", reason="needs openpyxl: tests/optional-requirements.txt")
    program = shutil.which("soffice")
    if program is None:
        pytest.skip("needs soffice: apt install libreoffice-calc")
    rows = rich_verdicts()
    words = [program, f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}", "--headless"]
    words += ["--convert-to", "xlsx", "--outdir", str(tmp_path), str(report_of(rows, tmp_path))]
    plain = {**os.environ, "LC_ALL": "C.UTF-8"}
    subprocess.run(words, check=True, capture_output=True, timeout=240, env=plain)
    head, *found = openpyxl.load_workbook(tmp_path / "report.xlsx").active.iter_rows()
    assert [cell.value for cell in head] == list(Verdict._fields)
    assert len(found) == len(rows)
    for cells, row in zip(found, rows, strict=True):
        verdict = verdict_from_row(row.item())
        for name, cell in zip(Verdict._fields, cells, strict=True):
            known = getattr(verdict, name)
            assert cell.data_type != "f", f"{name} is a formula"
            if isinstance(known, str):
                assert (cell.value or "") == known
            elif known is None:
                assert cell.value is None
            elif isinstance(known, bool):
                assert cell.value == str(known)  # a word to it: it takes only TRUE for what it is
            else:
                assert cell.data_type == "n", name
                assert cell.value == pytest.approx(known, rel=1e-14, abs=0)


def test_of_many_streams_each_row_begins_with_its_key_and_no_key_is_a_formula(tmp_path):
    names = StreamNames()
    keys = ["pump 1", "=cmd|' /C calc'!A0", "\tx", "-1", 'a,"b"']
    verdicts = np.zeros(len(keys), STREAM_VERDICT_DTYPE)
    verdicts["stream"], verdicts["is_anomaly"], verdicts["label"] = names.numbers_of(keys), True, -1
    path = tmp_path / "report.csv"
    sink = ReportSink(path, names=names)
    sink.write(verdicts)
    sink.close()
    rows = rows_of(path)
    assert list(rows[0]) == ["key", *Verdict._fields]
    assert [row["key"] for row in rows] == ["pump 1", "'=cmd|' /C calc'!A0", "\\tx", "-1", 'a,"b"']
    recent = RecentReport(names=names)
    recent.write(verdicts)
    assert recent.csv() == path.read_bytes()


@pytest.fixture
def open_report():
    """Open a report; it is closed at the end."""
    opened = []

    def open_report(*arguments, **options):
        opened.append(ReportSink(*arguments, **options))
        return opened[-1]

    yield open_report
    for sink in opened:
        sink.close()


def test_it_goes_on_where_it_was_and_takes_back_what_came_later(tmp_path, open_report):
    path = tmp_path / "report.csv"
    rows = verdicts_of(6, is_anomaly=True)
    first = open_report(path)
    first.write(rows[:2])
    state, then = first.state(), path.read_bytes()
    first.write(rows[2:])
    whole = path.read_bytes()
    second = open_report(path, goes_on=True)
    assert path.read_bytes() == whole, "not before it is asked to"
    assert second.restore(state, cut=True) == ""
    assert path.read_bytes() == then
    second.write(rows[2:])
    second.close()
    assert path.read_bytes() == whole
    assert first.state() is not None, "also after it is closed"


def test_nothing_is_taken_back_where_it_will_not_come_again(tmp_path, open_report):
    path = tmp_path / "report.csv"
    first = open_report(path)
    state = first.state()
    first.write(verdicts_of(2, is_anomaly=True))
    whole = path.read_bytes()
    assert open_report(path, goes_on=True).restore(state, cut=False) == ""
    assert path.read_bytes() == whole


def test_a_report_that_is_gone_begins_anew_and_another_file_is_left_alone(tmp_path, open_report):
    path = tmp_path / "report.csv"
    first = open_report(path)
    header = path.read_bytes()
    first.write(verdicts_of(2, is_anomaly=True))
    state = first.state()
    path.unlink()
    assert "is gone, a new one begins" in open_report(path, goes_on=True).restore(state, cut=True)
    assert path.read_bytes() == header
    path.write_text("somebody else's, and it is much longer than the header is" * 9, encoding="utf-8")
    with pytest.raises(FileExistsError, match="is not the report that it knows"):
        open_report(path, goes_on=True).restore(state, cut=True)
    assert path.read_text(encoding="utf-8").startswith("somebody")

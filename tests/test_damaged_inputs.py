"""Damaged files through the whole program: a clear line, exit code 0, 1 or 2, and every good row judged."""

import gzip
import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import main
from tests.programs import MAIN, ran

PROJECT = Path(main.__file__).parent
ROWS = [f"{i}.5" for i in range(60)]
CSV = "timestamp,value\n" + "".join(f"2024-03-31 0{i // 60}:{i % 60:02}:00,{i}.5\n" for i in range(60))


def run(path, capsys, *arguments):
    """Exit code, objects printed, and what was said of a file."""
    words = [str(path), "--delay", "0", "--no-visualization", "--log", "none", "--format", "json"]
    code = main.main([*words, "--detector", "z-score", *arguments])
    printed = capsys.readouterr()
    return code, [json.loads(line) for line in printed.out.splitlines()], printed.err


def is_in_order(wanted, values):
    rest = iter(values)
    return all(value in rest for value in wanted)


broken_line = st.one_of(
    st.binary(max_size=30).filter(lambda line: b"\n" not in line),
    st.sampled_from([b"", b"nan", b"inf", b"1e999", b"x", b"-", b'"', b"1;2", b"\x00", b"\xff\xfe", b"1_0", b"3 3"]),
    st.text(alphabet="0123456789.,;e+-\t |{}\"'", max_size=20).map(str.encode),
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(25, len(ROWS)), broken_line), min_size=1, max_size=12),
    st.sampled_from([b"\n", b"\r\n"]),
    st.booleans(),
)
def test_damage_between_good_rows_costs_no_good_row(tmp_path, capsys, damage, end, is_compressed):
    lines = [row.encode() for row in ROWS]
    for position, line in sorted(damage, reverse=True):
        lines.insert(position, line)
    content = end.join(lines) + end
    path = tmp_path / "damaged.csv"
    path.write_bytes(gzip.compress(content) if is_compressed else content)
    code, verdicts, said = run(path, capsys)
    assert code == 0
    assert "Traceback" not in said
    assert is_in_order([float(row) for row in ROWS], [verdict["value"] for verdict in verdicts])


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_file_damaged_anywhere_ends_with_a_clear_line(tmp_path, capsys, data):
    content = bytearray(data.draw(st.sampled_from([CSV.encode(), gzip.compress(CSV.encode(), mtime=0)])))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged.csv"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    code, _, said = run(path, capsys)
    assert code in {0, 1}
    assert said
    assert "Traceback" not in said


truncated = gzip.compress(CSV.encode(), mtime=0)[:-9]
GOOD = [float(row) for row in ROWS]


@pytest.mark.parametrize(
    ("content", "code", "values", "words"),
    [
        pytest.param(truncated, 1, GOOD, "ends early", id="truncated gzip"),
        pytest.param(bytes(range(256)) * 40, 1, [], "refused", id="binary"),
        pytest.param(b"", 1, [], "there is no reading in it", id="empty file"),
        pytest.param(b"timestamp,value\n", 1, [], "there is no reading in it", id="header only"),
        pytest.param(CSV.encode() + b"2024-03-31 01:00:00\n", 0, GOOD, "1 refused", id="one column too few"),
        pytest.param(b"value,value\n" + b"1,9\n" * 30, 0, [1.0] * 30, "0 refused", id="duplicated header"),
        pytest.param(CSV.replace(",", ";").encode() + b"2024-03-31 02:00:00,7\n", 0, [*GOOD, 7.0], "", id="mixed"),
        pytest.param(CSV.replace("\n", "\r\n").encode(), 0, GOOD, "0 refused", id="CRLF"),
        pytest.param(b"\xef\xbb\xbf" + CSV.encode(), 0, GOOD, "0 refused", id="byte order mark"),
        pytest.param(CSV.encode() + b"1" * 10_000_000 + b"\n", 0, GOOD, "1 refused", id="10 MB line"),
        pytest.param(CSV.encode() + b"\0\0\0\n", 0, GOOD, "1 refused", id="NUL bytes"),
        pytest.param(CSV.encode() + b"2024-03-31T03:00:00+02:00,7\n", 0, [*GOOD, 7.0], "", id="time zone change"),
        pytest.param(CSV.encode() + b"2024-03-31T01:30:00+02:00,7\n", 0, GOOD, "1 refused", id="time goes back"),
    ],
)
def test_damage_is_told_and_good_rows_are_judged(tmp_path, capsys, content, code, values, words):
    path = tmp_path / "damaged.csv"
    path.write_bytes(content)
    got, verdicts, said = run(path, capsys)
    assert (got, [verdict["value"] for verdict in verdicts]) == (code, values)
    assert words in " ".join(said.split(" ")).replace("\n", " ") or words.replace("  ", " ") in said


def test_a_folder_a_missing_file_and_a_forbidden_one_are_named(tmp_path, capsys):
    assert run(tmp_path, capsys)[0] == 1
    code, _, said = run(tmp_path / "none.csv", capsys)
    assert (code, "none.csv" in said) == (1, True)
    forbidden = tmp_path / "forbidden.csv"
    forbidden.write_text(CSV)
    forbidden.chmod(0)
    if not os.access(forbidden, os.R_OK):
        code, _, said = run(forbidden, capsys)
        assert (code, "forbidden.csv" in said) == (1, True)


def test_a_wrong_column_is_answered_with_the_columns_there_are(tmp_path, capsys):
    path = tmp_path / "wide.csv"
    path.write_text("a,b\n" + "1,2\n" * 5)
    for arguments in ([], ["--column", "c"]):
        code, verdicts, said = run(path, capsys, *arguments)
        assert (code, verdicts) == (1, [])
        assert "a, b" in said


def test_the_same_rows_through_standard_input_give_the_same_bytes(tmp_path):
    path = tmp_path / "stream.csv"
    path.write_text(CSV)
    words = [*MAIN, "--delay", "0", "--no-visualization", "--log", "none"]
    words += ["--detector", "z-score", "--format", "json"]
    from_file = ran([*words, path], cwd=tmp_path)
    with path.open("rb") as rows:
        piped = ran([*words, "-"], cwd=PROJECT, stdin=rows)
    assert from_file.stdout == piped.stdout
    assert from_file.stdout.count(b"\n") == len(ROWS)

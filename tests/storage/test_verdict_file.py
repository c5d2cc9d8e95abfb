import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamforest.storage import verdict_file
from streamforest.storage.verdict_file import VerdictFile

ONE = {"stream": "a.csv", "verdict": "real", "first": 3, "last": 4, "note": "pump \u00fc"}
TWO = {"stream": "b.csv", "rule": {"direction": "up"}, "note": ""}


@pytest.fixture
def file(tmp_path):
    return VerdictFile(tmp_path / "verdicts.jsonl")


def test_what_is_added_is_read_again_in_order_also_by_another_run(file):
    assert file.entries() == []
    file.add(ONE)
    file.add(TWO)
    file.add(ONE)
    assert VerdictFile(file.path).entries() == [ONE, TWO, ONE]
    assert [json.loads(line) for line in file.path.read_text(encoding="utf-8").splitlines()] == [ONE, TWO, ONE]


def test_what_a_person_edits_and_deletes_holds_and_stays(file):
    file.add(ONE)
    file.add(TWO)
    edited = {**ONE, "note": "the night shift"}
    file.path.write_text("\n" + json.dumps(edited), encoding="utf-8")  # an editor that ends no line
    assert file.entries() == [edited]
    file.add(TWO)
    assert file.entries() == [edited, TWO]


def test_the_newest_line_of_an_entry_is_withdrawn_and_all_others_stay(file):
    for entry in (TWO, ONE, TWO):
        file.add(entry)
    assert file.withdraw(TWO)
    assert file.entries() == [TWO, ONE]
    assert not file.withdraw({**TWO, "note": "another"})
    assert file.withdraw(TWO)
    assert file.entries() == [ONE]


@pytest.mark.parametrize("line", ["nonsense", "[]", '{"verdict": "real"}', '{"stream": 7}', "[" * 100_000, "\udcff"])
def test_a_line_that_is_none_is_named(file, line):
    file.add(ONE)
    with file.path.open("ab") as opened:
        opened.write(line.encode("utf-8", "surrogateescape") + b"\n")
    with pytest.raises(ValueError, match="line 2 is no JSON object with the name of a stream"):
        file.entries()
    file.add(TWO)
    assert file.withdraw(TWO), "a line that is none keeps nobody from taking a rule back"


def test_a_file_that_is_too_long_is_not_read(file, monkeypatch):
    monkeypatch.setattr(verdict_file, "MOST_BYTES", 10)
    file.add(ONE)
    with pytest.raises(ValueError, match="over 10 bytes"):
        file.entries()


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    path.write_bytes(content)
    with suppress(ValueError):
        assert all(isinstance(entry["stream"], str) for entry in VerdictFile(path).entries())

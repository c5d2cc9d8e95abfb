import io
import zipfile
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamforest.storage import case_file
from streamforest.storage.case_file import FACTS, MOST_BYTES, NEEDED, PICTURE, POINTS, CaseError, case_bytes, read_case

PARTS = {name: name.encode() * 30 for name in (*NEEDED, PICTURE)}


def zipped(parts, how=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", how) as case:
        for name, content in parts:
            case.writestr(name, content)
    return file.getvalue()


def read(folder, content):
    (folder / "case.zip").write_bytes(content)
    return read_case(folder / "case.zip")


def test_what_was_put_in_comes_out(tmp_path):
    assert read(tmp_path, case_bytes(PARTS)) == PARTS


@pytest.mark.parametrize(
    "name", ["../case.json", "/etc/passwd", "a/case.json", "..\\case.json", "CASE.JSON", "case.json/", "other.txt"]
)
def test_a_name_that_does_not_belong_there_is_refused(tmp_path, name):
    with pytest.raises(CaseError, match="does not belong there"):
        read(tmp_path, zipped([*PARTS.items(), (name, b"x")]))
    assert [path.name for path in tmp_path.iterdir()] == ["case.zip"], "nothing is unpacked"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_part_that_is_there_twice_or_missing_is_refused(tmp_path):
    with pytest.raises(CaseError, match="does not belong there"):
        read(tmp_path, zipped([*PARTS.items(), (FACTS, b"x")]))
    for name in NEEDED:
        with pytest.raises(CaseError, match=f"there is no {name}"):
            read(tmp_path, zipped((other, PARTS[other]) for other in PARTS if other != name))


def test_what_unpacks_to_more_than_a_case_holds_is_refused_whatever_it_says_of_itself(tmp_path, monkeypatch):
    others = [(name, PARTS[name]) for name in PARTS if name != POINTS]
    bomb = zipped([*others, (POINTS, b"0" * (MOST_BYTES[POINTS] + 1))])
    assert len(bomb) < 10**5
    with pytest.raises(CaseError, match="has more than 16,777,216 bytes"):
        read(tmp_path, bomb)
    monkeypatch.setitem(MOST_BYTES, POINTS, 2**10)
    lying = zipped([*others, (POINTS, b"0" * 2**20)])
    lying = lying.replace((2**20).to_bytes(4, "little"), (100).to_bytes(4, "little"))
    with pytest.raises(CaseError, match="is damaged"):
        read(tmp_path, lying)


def test_a_directory_that_is_too_large_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(zipfile, "ZipFile", lambda *_: pytest.fail("it was read"))
    many = b"PK\x01\x02" * 10**5
    end = b"PK\x05\x06" + bytes(6) + (10**4).to_bytes(2, "little") + len(many).to_bytes(4, "little") + bytes(6)
    for content in (many + end, b"PK\x06\x07" + bytes(16) + b"PK\x05\x06" + bytes(18)):
        with pytest.raises(CaseError, match="more in it than a case holds"):
            read(tmp_path, content)


@pytest.mark.parametrize("how", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_is_packed_in_another_way_is_refused(tmp_path, how):
    with pytest.raises(CaseError, match="packed in another way"):
        read(tmp_path, zipped(PARTS.items(), how))


def test_what_is_no_zip_is_refused(tmp_path):
    for content, why in ((b"", "is empty"), (b"value\n1\n", "is no case"), (case_bytes(PARTS)[:-1], "is no case")):
        with pytest.raises(CaseError, match=why):
            read(tmp_path, content)
    with pytest.raises((CaseError, OSError)):
        read_case(tmp_path)
    with pytest.raises(FileNotFoundError):
        read_case(tmp_path / "gone.zip")
    (tmp_path / "large.zip").touch()
    with (tmp_path / "large.zip").open("r+b") as file:
        file.truncate(case_file.MOST_FILE_BYTES + 1)
    with pytest.raises(CaseError, match="a case has at most"):
        read_case(tmp_path / "large.zip")


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=5))
def test_damage_is_refused_or_changes_nothing(tmp_path, damage):
    content = bytearray(case_bytes(PARTS))
    for share, byte in damage:
        content[int(share * len(content))] = byte
    try:
        found = read(tmp_path, bytes(content))
    except CaseError:
        return
    assert {name: zlib.crc32(part) for name, part in found.items()}.items() <= {
        name: zlib.crc32(part) for name, part in PARTS.items()
    }.items()


def test_a_case_that_would_be_refused_is_not_made():
    with pytest.raises(ValueError, match=r"case\.json has 1,048,577 bytes, allowed are 1,048,576"):
        case_bytes({FACTS: bytes(2**20 + 1)})
    with pytest.raises(ValueError, match="allowed are 0"):
        case_bytes({"other": b""})

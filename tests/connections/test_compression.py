import bz2
import gzip
import io
import lzma

import pytest

from streamforest.connections.compression import DamagedFileError, compression_of, no_text, unpacked

TEXT = b"time,value\n" + b"1,2\n" * 1000


@pytest.mark.parametrize(
    ("kind", "pack"),
    [("gzip", gzip.compress), ("bzip2", bz2.compress), ("xz", lzma.compress)],
    ids=["gzip", "bzip2", "xz"],
)
def test_a_compressed_file_is_told_by_its_first_bytes_and_unpacked_in_chunks(tmp_path, kind, pack):
    path = tmp_path / "packed"
    path.write_bytes(pack(TEXT))
    with io.FileIO(path) as file:
        file.read(10)
        assert compression_of(pack(TEXT)[:16]) == kind
        chunks = list(unpacked(file, kind, 100))
    assert b"".join(chunks) == TEXT
    assert max(map(len, chunks)) <= 100


def test_zstandard_is_unpacked_where_its_package_is_there(tmp_path):
    zstandard = pytest.importorskip("zstandard")
    path = tmp_path / "packed"
    path.write_bytes(2 * zstandard.compress(TEXT))
    with io.FileIO(path) as file:
        assert compression_of(file.read(16)) == "zstd"
        assert b"".join(unpacked(file, "zstd", 100)) == 2 * TEXT


PACKED = {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress, "zstd": None}
LONG = "".join(f"{k},{k % 7 + k / 1000}\n" for k in range(20_000)).encode()


def packed(kind):
    return (PACKED[kind] or pytest.importorskip("zstandard").compress)(LONG)


def text_of(path, kind):
    """What is unpacked before the end, and the error that ends it."""
    found = b""
    with io.FileIO(path) as file:
        try:
            for chunk in unpacked(file, kind, 65536):
                assert len(chunk) <= 65536
                found += chunk
        except (EOFError, DamagedFileError) as error:
            return found, type(error)
    return found, None


@pytest.mark.parametrize("kind", PACKED)
def test_a_file_that_ends_early_is_never_taken_for_a_whole_one(kind, tmp_path):
    whole = packed(kind)
    for length in (len(whole) // 2, len(whole) - 1):
        (tmp_path / "cut").write_bytes(whole[:length])
        text, error = text_of(tmp_path / "cut", kind)
        assert error is EOFError
        assert LONG.startswith(text)


@pytest.mark.parametrize("kind", PACKED)
def test_a_damaged_file_is_named_damaged(kind, tmp_path):
    damaged = bytearray(packed(kind))
    middle = len(damaged) // 2
    damaged[middle : middle + 64] = bytes(64)
    (tmp_path / "damaged").write_bytes(damaged)
    assert text_of(tmp_path / "damaged", kind)[1] is DamagedFileError


@pytest.mark.parametrize("kind", PACKED)
def test_several_files_one_behind_the_other_are_one_text(kind, tmp_path):
    (tmp_path / "both").write_bytes(2 * packed(kind))
    assert text_of(tmp_path / "both", kind) == (2 * LONG, None)


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"PK\x03\x04", "workbook"),
        (b"PAR1", "Parquet"),
        (b"SQLite format 3\0", "SQLite"),
        (b"\x89PNG", "picture"),
        (b'<feed xmlns="http://', "XML"),
        (b"<a>\n  <b>5</b>", "XML"),
    ],
)
def test_what_is_no_text_is_named_for_what_it_is(head, words):
    assert words in no_text(head + b"....")
    assert no_text(b"time,value") == no_text(b"<DATE>\t<TIME>\n1\t2") == no_text(b"<CLOSE>\n21.5\n") == ""

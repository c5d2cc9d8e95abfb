import csv
import math

import pytest

from benchmarks.speed_report import asked_and_got, machine, markdown, promises, short, tables, versions, write_csv
from benchmarks.speed_rounds import Cost

NAN = math.nan


def figure(topic, who, median, at=NAN, unit="us"):
    return Cost(topic, who, at, unit, median, 0.5 * median, 2.0 * median)


COSTS = [
    figure("one by one", "StreamDetector.update", 4.0),
    figure("one by one", "river HalfSpaceTrees", 20.0),
    figure("one by one", "krcf, 30 trees", 20.0),
    figure("in arrays", "StreamDetector.update_many", 2.0),
    figure("growth: memory of the streams", "StreamDetectors", 200.0, 1, "MiB"),
    figure("growth: memory of the streams", "StreamDetectors", 350.0, 10_000, "MiB"),
    figure("growth: memory of the streams", "river HalfSpaceTrees", 90.0, 1, "MiB"),
]


def test_what_was_asked_is_held_against_what_was_got():
    got = {one.what: one for one in promises(COSTS)}
    assert got["update: HalfSpaceTrees cost"].got == 5.0
    assert got["update: HalfSpaceTrees cost"].is_kept
    assert got["update: krcf with 30 trees costs"].got == 5.0
    assert not got["update: krcf with 30 trees costs"].is_kept, "six times were asked for"
    assert got["update_many on one core"].got == 500_000
    assert got["memory a stream, by 10,000 of them"].got == pytest.approx(150 * 2**20 / 10_000)
    kept = {row[0]: row[3] for row in asked_and_got(COSTS)[1:]}
    assert kept["update: krcf with 30 trees costs"] == "no"
    assert kept["update_many on one core"] == "yes"
    assert kept["first verdict"] == "-", "not measured, and neither kept nor broken"


def test_nothing_is_kept_where_nothing_was_measured():
    assert not any(one.is_kept for one in promises([]))


def test_there_is_a_table_a_topic():
    found = tables(COSTS)
    assert found["one by one, us"][2] == ["river HalfSpaceTrees", "20.0", "10.0", "40.0", "5.00"]
    assert found["growth: memory of the streams, MiB"] == [
        ["who", "1", "10,000"],
        ["StreamDetectors", "200", "350"],
        ["river HalfSpaceTrees", "90.0", "-"],
    ]
    assert markdown([["a", "bb"], ["ccc", "1"]]) == "| a   | bb |\n|-----|----|\n| ccc |  1 |"


@pytest.mark.parametrize(
    ("number", "text"), [(0.123, "0.12"), (9.996, "10.0"), (99.96, "100"), (12_345.6, "12,346"), (NAN, "-")]
)
def test_numbers_have_three_digits_or_more(number, text):
    assert short(number) == text


def test_the_csv_file_holds_every_figure(tmp_path):
    path = tmp_path / "speed.csv"
    write_csv(path, COSTS)
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["who"] for row in rows] == [one.who for one in COSTS]
    assert rows[0]["at"] == ""
    assert rows[5]["at"] == "10000"
    assert [float(rows[5][name]) for name in ("median", "lowest", "highest")] == [350.0, 175.0, 700.0]


def test_machine_and_versions_are_named():
    assert "cores" in machine()
    assert "numpy" in versions(["numpy", "no-such-package"])
    assert "no-such-package" not in versions(["numpy", "no-such-package"])

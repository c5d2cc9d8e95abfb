import json
import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.boards import BoardError, Series, label_runs, probation_rows, read_board


def write_nab(folder, rows, windows, name="real/one.csv"):
    path = folder / "data" / name
    path.parent.mkdir(parents=True)
    path.write_text("timestamp,value\n" + "".join(f"{stamp},{value}\n" for stamp, value in rows), encoding="utf-8")
    (folder / "labels").mkdir()
    (folder / "labels" / "combined_windows.json").write_text(json.dumps({name: windows}), encoding="utf-8")
    return folder


MINUTES = [(f"1970-01-01 00:{minute:02}:00", minute) for minute in range(20)]


def test_a_nab_folder_is_read_with_times_in_utc_and_both_ends_of_a_window(tmp_path):
    ends = ["1970-01-01 00:05:00.000000", "1970-01-01 00:08:00.000000"]
    board = read_board(write_nab(tmp_path / "NAB", MINUTES, [ends]))
    (series,) = board.series
    assert (board.name, series.name) == ("nab", "real/one.csv")
    assert series.times.tolist() == [60.0 * minute for minute in range(20)]
    assert series.values.tolist() == list(range(20))
    assert series.windows == ((5, 8),)
    assert series.stamps[1] == "1970-01-01 00:01:00"
    assert np.flatnonzero(series.labels).tolist() == [5, 6, 7, 8]


def test_a_window_between_two_rows_holds_the_rows_inside(tmp_path):
    board = read_board(write_nab(tmp_path, MINUTES, [["1970-01-01 00:04:30", "1970-01-01 00:08:30"]]))
    assert board.series[0].windows == ((5, 8),)


def test_a_window_without_a_row_is_an_error_that_names_the_file(tmp_path):
    write_nab(tmp_path, MINUTES, [["1970-01-01 00:04:20", "1970-01-01 00:04:40"]])
    with pytest.raises(BoardError, match=r"one\.csv: no row lies in the label window"):
        read_board(tmp_path)


def test_a_time_that_goes_back_is_held_and_the_row_is_kept(tmp_path):
    rows = [*MINUTES[:10], MINUTES[8], *MINUTES[10:]]
    (series,) = read_board(write_nab(tmp_path, rows, [])).series
    assert series.values.size == 21
    assert series.times[9:12].tolist() == [540.0, 540.0, 600.0]


def write_csv(folder, text, name="one.csv"):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_a_folder_of_csv_files_has_its_label_runs_as_windows(tmp_path):
    write_csv(tmp_path / "mine", "timestamp,value,label\n10,1,0\n20,,1\n30,3,1\n40,4,0\n50,5,1\n")
    write_csv(tmp_path / "mine" / "more", "is_anomaly,load\n0,1\n1.0,2\n", "two.csv")
    first, second = read_board(tmp_path / "mine").series
    assert (first.name, second.name) == ("more/two.csv", "one.csv")
    assert second.windows == ((1, 2), (4, 4))
    assert second.times.tolist() == [10.0, 20.0, 30.0, 40.0, 50.0]
    assert math.isnan(second.values[1])
    assert first.windows == ((1, 1),)
    assert first.values.tolist() == [1.0, 2.0]
    assert np.isnan(first.times).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("timestamp,value\n1,2\n", "needs a label column, its columns are timestamp, value"),
        ("timestamp,cpu,memory,label\n1,2,3,0\n", "needs a column named value"),
        ("timestamp,value,label\n1,2,0\n2,3\n", "as many cells in every row"),
        ("timestamp,value,label\n", "at least one row"),
        ("", "needs a header"),
        ("timestamp,value,label\n1,high,0\n", "'high' is no number"),
        ("timestamp,value,label\nnoon,1,0\n", "time 'noon' cannot be read"),
        ("timestamp,value,label\n1,1,maybe\n", "'maybe' is no label"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, text, message):
    with pytest.raises(BoardError, match=message):
        read_board(write_csv(tmp_path / "b", text))


def test_an_empty_folder_is_an_error(tmp_path):
    with pytest.raises(BoardError, match="no CSV file"):
        read_board(tmp_path)


def test_windows_count_as_far_as_they_lie_behind_the_probation():
    series = Series("a", np.zeros(100), np.zeros(100), (), ((2, 10), (12, 20), (50, 60)))
    assert series.probation == 15
    assert series.counted_windows == [(15, 20), (50, 60)]


def test_the_probation_is_a_share_with_an_end():
    assert [probation_rows(n) for n in (0, 6, 7, 100, 5000, 5001, 22_695)] == [0, 0, 1, 15, 750, 750, 750]


@given(st.lists(st.booleans(), max_size=50))
def test_label_runs_hold_the_labelled_rows_and_no_others(labels):
    runs = label_runs(np.array(labels, dtype=bool))
    assert [row for left, right in runs for row in range(left, right + 1)] == [
        row for row, label in enumerate(labels) if label
    ]
    assert all(before[1] + 1 < after[0] for before, after in pairwise(runs))


def write_ucr(folder, name, values, between="\n"):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(between.join(f"  {value:.7e}" for value in values) + "\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize("between", ["\n", "  "])
def test_a_file_of_the_ucr_archive_is_read_by_its_name_whether_lines_or_blanks_are_between(tmp_path, between):
    name = "001_UCR_Anomaly_DISTORTED1pump_2_300_410_420.txt"
    board = read_board(write_ucr(tmp_path / "UCR", name, range(500), between))
    (series,) = board.series
    assert (board.kind, series.name, series.train) == ("ucr", name, 300)
    assert series.windows == ((409, 419),)
    assert series.values.tolist() == list(range(500))
    assert np.isnan(series.times).all()


def test_a_name_that_tells_rows_which_are_not_there_is_an_error(tmp_path):
    write_ucr(tmp_path, "001_UCR_Anomaly_pump_300_410_520.txt", range(500))
    with pytest.raises(BoardError, match="tells rows 300, 410 and 520, and it has 500 values"):
        read_board(tmp_path)


def test_a_folder_of_tsb_ad_is_read_and_a_list_says_which_of_its_files(tmp_path):
    text = "Data,Label\n" + "".join(f"{row},{int(row == 80)}\n" for row in range(100))
    names = ["001_NAB_id_1_Web_Service_tr_50_1st_80.csv", "002_Made_Up_id_12_Sensor_tr_60_1st_80.csv"]
    for name in names:
        write_csv(tmp_path / "TSB-AD-U", text, name)
    board = read_board(tmp_path / "TSB-AD-U")
    assert (board.kind, board.name) == ("tsb-ad", "tsb-ad-u")
    assert [(series.name, series.train) for series in board.series] == [(names[0], 50), (names[1], 60)]
    assert board.series[0].windows == ((80, 80),)
    assert [series.name for series in read_board(tmp_path / "TSB-AD-U", {names[1]}).series] == [names[1]]

"""Files of the folder shared/cases beside the checkout that were reported as read wrongly: each is read as is right."""

from pathlib import Path

import numpy as np
import pytest

from streamforest.reading.column_layout import Asked
from streamforest.reading.validation import Validator
from streamforest.sources.file import FileSource
from streamforest.terminal.stop import StopFlag

SHARED = Path(__file__).resolve().parents[3] / "shared" / "cases"
pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="there is no folder shared/cases beside the checkout")

MARCH = 1709251200.0, 1709430600.0  # of the first and the last reading, 600 s from one to the next
LIKE_OTHERS = MARCH, (18.6, 35.0)
TEMP = "Temp, \u00b0F (LGR S/N: 10000001, SEN S/N: 10000001)"


@pytest.mark.parametrize(
    ("name", "asked", "times", "values", "missing"),
    [
        ("excel_sep_line.csv", {}, *LIKE_OTHERS, 0),
        ("hash_before_header.csv", {}, *LIKE_OTHERS, 0),
        ("hobo_logger.csv", {"column": TEMP}, (1709280000.0, 1710356400.0), (18.6, 35.0), 0),
        (
            "scope_hash_comments.csv",
            {"column": "Channel 1 (V)"},
            (-1.308e-4, -1.009e-4),
            (-0.010262327, 0.048991917),
            0,
        ),
        ("date_compact.csv", {}, *LIKE_OTHERS, 0),
        ("date_dots.csv", {}, *LIKE_OTHERS, 0),
        ("date_iso_basic.csv", {}, *LIKE_OTHERS, 0),
        ("date_one_digit_hour.csv", {}, *LIKE_OTHERS, 0),
        ("quotes_compact_date.csv", {"column": "<CLOSE>", "time_column": "<DATE>"}, MARCH, (0.9302, 1.7502), 0),
        ("de_thousands.csv", {}, MARCH, (1860.0, 3500.0), 0),
        ("de_thousands_whole.csv", {}, MARCH, (891.0, 1029.0), 0),
        ("missing_words.csv", {}, *LIKE_OTHERS, 15),
        ("percent.csv", {}, *LIKE_OTHERS, 0),
        ("unicode_minus.csv", {}, MARCH, (-2.4, 14.0), 0),
        ("newest_first.csv", {}, (1709251200.0, 1735084800.0), (186.0, 350.0), 0),
        ("json_array.json", {}, *LIKE_OTHERS, 0),
        ("tasmota_nested.jsonl", {"column": "ENERGY.Power"}, *LIKE_OTHERS, 0),
        ("cr_only.csv", {}, *LIKE_OTHERS, 0),
    ],
)
def test_a_reported_file_is_read_as_is_right(name, asked, times, values, missing):
    source, stop, validator = FileSource(SHARED / name, Asked(**asked)), StopFlag(), Validator()
    try:
        checked = [validator.check(block) for block in source.read(stop, 4096)]
    finally:
        source.close()
        stop.close()
    points = np.concatenate([points for points, _ in checked])
    assert not [refusal for _, refusals in checked for refusal in refusals]
    assert (len(points), int(np.isnan(points["value"]).sum())) == (300, missing)
    assert (points["time"][0], points["time"][-1]) == times
    assert (np.diff(points["time"]) > 0).all()
    assert (np.nanmin(points["value"]), np.nanmax(points["value"])) == values

import pytest

from streamforest.figures.point_note import describe
from streamforest.protocols import REASONS, verdict_from_row
from streamforest.verdicts.honesty import BY_BAND
from tests.pictures import shown, stream


@pytest.mark.parametrize("index", [0, 150, 235, 260, 469])
@pytest.mark.parametrize(("size", "dpi"), [((12.8, 8.0), 100), ((6.4, 4.8), 96), ((12.8, 8.0), 192)])
def test_the_note_of_a_selected_point_lies_inside_the_panel(index, size, dpi):
    _, view = shown(stream(470), size=size, dpi=dpi)
    view.select(index)
    view.refresh()
    note, panel = view.selected.text.get_bbox_patch().get_window_extent(), view.stream.axes.bbox
    slack = 5 * dpi / 100
    assert panel.x0 - slack <= note.x0
    assert note.x1 <= panel.x1 + slack
    assert panel.y0 <= note.y0
    assert note.y1 <= panel.y1
    view.select(None)
    view.refresh()
    assert view.selected.text.get_text() == ""


def described(row):
    return describe(verdict_from_row(row.item())).splitlines()


def test_a_note_says_kind_time_value_expected_band_score_p_and_label_in_one_notation():
    rows = stream(470)
    rows["value"][260], rows["expected"][260] = 31253.7, 9654.2
    rows["lower"][260], rows["upper"][260] = -11960.0, 31252.0
    assert described(rows[260]) == [
        "spike",
        "point 260, 2014-05-19 02:53:20 UTC",
        "value 31,254, expected 9,654 \N{PLUS-MINUS SIGN} 21,600",
        "usual \N{MINUS SIGN}11,960 to 31,252",
        "score 0.8, threshold 0.66, p 0.0001",
        "label: spike",
    ]


def test_a_note_says_what_marks_a_point_whose_score_does_not():
    rows = stream(470)
    rows["score"][260], rows["threshold"][260] = 0.3, BY_BAND * 0.3
    assert described(rows[260])[-2] == "score 0.3, marked by its band alone, p 0.0001"
    rows["reason"][260] = REASONS.index("too long")
    assert described(rows[260])[-2] == "score 0.3, marked by habit alone, p 0.0001"


def test_a_note_leaves_out_what_is_not_known():
    rows = stream(470, times=False, labels=False)
    for name in ("expected", "lower", "upper"):
        rows[name][203] = float("nan")
    assert described(rows[203])[:2] == ["point 203", "value missing"]
    rows["value"][10] = 20.5
    assert described(rows[10])[-1] == "no score yet (warm-up)"

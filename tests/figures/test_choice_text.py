import numpy as np
import pytest

from streamforest.figures.braille import ASCII, BRAILLE
from streamforest.figures.canvas import Canvas, Style
from streamforest.figures.choice_text import rows_of, write_marks, write_panel
from streamforest.verdicts.panel import Panel, Row

ROWS = (
    Row("alarm rate", "0.1 %", 0.0),
    Row("direction", "up only", 1.0, is_changed=True),
    Row("down only", "drops 3 of 9"),
)
PANEL = Panel("what if", ROWS, 1, "12 alarms instead of 31: 20 dropped, 1 new", "Esc: change nothing", None, 1)


def written(rows, columns, panel=PANEL, glyphs=BRAILLE):
    canvas = Canvas(columns, rows)
    write_panel(canvas, (0, 0, rows, columns), panel, glyphs)
    return canvas


def test_the_result_the_rows_and_the_keys_stand_below_one_another():
    canvas = written(rows_of(PANEL), 60)
    lines = canvas.lines()
    assert lines[0].startswith("what if: 12 alarms instead of 31: 20 dropped, 1 new")
    assert "O" in lines[1]
    assert lines[1].index("O") < lines[2].index("O")
    assert lines[2].startswith("> direction")
    assert lines[3].split() == ["down", "only", "drops", "3", "of", "9"]
    assert lines[4].startswith("Esc: change")
    assert canvas.styles[2, lines[2].index("up only")] == Style.ANOMALY
    assert canvas.styles[1, lines[1].index("0.1 %")] == Style.TEXT


@pytest.mark.parametrize("rows", range(1, 6))
@pytest.mark.parametrize("columns", [12, 20, 30, 200])
def test_the_chosen_row_is_there_wherever_there_is_space_for_one(rows, columns):
    for chosen in range(3):
        lines = written(rows, columns, PANEL._replace(chosen=chosen), ASCII).lines()
        assert "\n".join(lines).isascii()
        assert any(line.startswith("> ") for line in lines) == (rows > 1)


def test_nothing_is_written_where_there_is_no_space():
    assert not "".join(written(3, 11).lines()).strip()


def test_the_marks_tell_what_stays_what_is_new_and_what_is_dropped_without_colours_too():
    canvas = Canvas(40, 3)
    write_marks(canvas, 1, 10, 30, {"|": np.array([12, 13]), "+": np.array([13, 20]), "x": np.array([12, 30])})
    line = canvas.lines()[1]
    assert (line[:5], line[12], line[13], line[20], line[30]) == ("trial", "|", "+", "+", "x")
    assert canvas.styles[1, [12, 13, 30]].tolist() == [Style.ANOMALY, Style.THRESHOLD, Style.QUIET]

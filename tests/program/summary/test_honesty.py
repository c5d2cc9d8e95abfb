from streamforest.program.summary.honesty import drawing_of, honesty_section
from tests.figures.test_honesty_text import HONESTY


def test_the_section_has_the_rates_with_their_intervals_and_a_drawing_of_the_p_values():
    section = honesty_section(HONESTY)
    assert section.table is not None
    assert section.table.rows[0] == ["last 24 hours", "86,377", "104", "0.12 %", "0.096 to 0.15 %", "12", "90"]
    assert section.cards[0].drawing.count("Z") == 20
    assert "0.1 % of normal points" in section.note


def test_with_alarms_a_day_it_says_what_is_left():
    assert "3 on the last day (UTC), 2 left" in honesty_section(HONESTY._replace(alarms_a_day=5.0, left=2)).note


def test_without_a_score_there_is_nothing_to_show():
    nothing = HONESTY.total._replace(scored=0)
    assert honesty_section(HONESTY._replace(total=nothing)).table is None
    assert "NaN" not in drawing_of([0] * 20)

import re
from pathlib import Path

import pytest

import settings
from streamforest.program.options import OPTIONS, check_settings, in_words

LINES = Path(settings.__file__).read_text(encoding="utf-8").splitlines()
LINE_OF = {line.split(" = ")[0]: line for line in LINES if re.match(r"[A-Z_]+ = ", line)}


def test_the_settings_as_delivered_are_all_allowed():
    check_settings(vars(settings))


def test_the_settings_as_delivered_are_the_defaults_of_the_table():
    assert {option.name: getattr(settings, option.name) for option in OPTIONS} == {
        option.name: option.default for option in OPTIONS
    }


def test_the_settings_stand_in_the_order_of_the_table():
    assert list(LINE_OF) == [option.name for option in OPTIONS]


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_the_comment_beside_a_setting_names_its_range_and_unit(option):
    comment = LINE_OF[option.name].split("  # ")[1]
    for limit in (option.low, option.high):
        assert limit is None or re.search(rf"\b{in_words(limit)}\b", comment)
    for word in (*option.choices, option.unit, "None" if option.is_optional else ""):
        assert word in comment or option.name == "DETECTOR"
    assert option.kind != "switch" or "True or False" in comment

import re

from streamforest.program.summary.script import colours, digest_of, script, style
from streamforest.views.page_server import FOLDER


def test_the_script_holds_all_modules_and_no_import_that_a_file_may_not_do():
    text = script()
    assert not re.search(r"^\s*(import|export)\b", text, re.M)
    for name in ("chart", "episodes", "gestures", "moves", "numbers", "points", "readout", "view"):
        assert text.count(f"const module_{name} = ") == 1
    for name in ("points", "view", "numbers"):  # before those that need them
        assert text.index(f"const module_{name} = ") < text.index(f"= module_{name};")
    assert "module_ranking" not in text
    assert "module_page" not in text


def test_the_script_can_stand_in_an_element_and_has_the_licence_of_what_it_brings_along():
    text = script()
    assert "</script" not in text.lower()
    assert "<!--" not in text
    assert (FOLDER / "uplot" / "LICENSE").read_text(encoding="utf-8").strip() in text


def test_style_and_colours_are_those_of_the_live_page():
    assert (FOLDER / "chart.css").read_text(encoding="utf-8") in style()
    light, dark = colours()
    assert "--page: #ffffff" in light
    assert "--page: #12161c" in dark
    assert "url(" not in style() + light + dark, "nothing is loaded"


def test_a_digest_is_what_browsers_compare():
    assert digest_of("") == "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="

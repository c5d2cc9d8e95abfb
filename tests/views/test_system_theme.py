import sys

import pytest

from streamforest.views import system_theme as module
from streamforest.views.system_theme import system_theme


def asked(platform, answers, **environment):
    """The theme, and the programs that were asked."""
    programs = []

    def ask(question):
        programs.append(question[0])
        return answers.get(question[0], "")

    return system_theme(environment, platform, ask), programs


@pytest.mark.parametrize(
    ("platform", "answers", "theme", "programs"),
    [
        ("linux", {"gdbus": "(<<uint32 1>>,)"}, "dark", ["gdbus"]),
        ("linux", {"gdbus": "(<<uint32 2>>,)"}, "light", ["gdbus"]),
        ("linux", {"gdbus": "(<<uint32 0>>,)"}, "light", ["gdbus", "busctl", "gsettings"]),
        ("linux", {"busctl": "v v u 1"}, "dark", ["gdbus", "busctl"]),
        ("linux", {"gsettings": "'prefer-dark'"}, "dark", ["gdbus", "busctl", "gsettings"]),
        ("darwin", {"defaults": "Dark"}, "dark", ["defaults"]),
        ("darwin", {}, "light", ["defaults"]),
        ("win32", {"reg": "AppsUseLightTheme    REG_DWORD    0x0"}, "dark", ["reg"]),
        ("win32", {"reg": "AppsUseLightTheme    REG_DWORD    0x1"}, "light", ["reg"]),
        ("plan9", {}, "light", []),
    ],
)
def test_the_desktop_is_asked_and_the_first_that_knows_decides(platform, answers, theme, programs):
    assert asked(platform, answers) == (theme, programs)


def test_where_no_desktop_answers_the_variables_say_so():
    assert asked("linux", {}, GTK_THEME="Adwaita:dark")[0] == "dark"
    assert asked("linux", {}, COLORFGBG="15;0")[0] == "dark"
    assert asked("linux", {}, COLORFGBG="0;15")[0] == "light"
    assert asked("linux", {}, COLORFGBG="default")[0] == "light"
    assert asked("linux", {"gdbus": "(<<uint32 2>>,)"}, COLORFGBG="15;0")[0] == "light"


def test_a_program_that_is_missing_fails_or_hangs_says_nothing(monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 0.5)
    hangs = (sys.executable, "-c", "import time; time.sleep(600)")
    fails = (sys.executable, "-c", "print('Dark'); raise SystemExit(1)")
    monkeypatch.setattr(module, "QUESTIONS", {"here": (("no-such-program",), fails, hangs)})
    assert system_theme({}, "here") == "light"
    says = (sys.executable, "-c", "print('Dark')")
    monkeypatch.setattr(module, "PATIENCE", 60.0)
    monkeypatch.setattr(module, "QUESTIONS", {"here": (fails, says)})
    assert system_theme({}, "here") == "dark"

import subprocess
import sys

import pytest

from streamforest import views
from streamforest.verdicts.counts import RunCounts
from streamforest.verdicts.history import History
from streamforest.views import Choice, ViewError, can_open, choose, has_display, make_view
from streamforest.views.access import PageAccess

NOWHERE: dict[str, str] = {}
X11 = {"DISPLAY": ":0"}


def test_a_window_is_taken_where_there_is_a_display_and_a_toolkit_tk_first():
    tried = []
    both = choose("auto", True, X11, "linux", lambda name: tried.append(name) or True)
    assert both == Choice("window", "view: a window, by Tk; h in it shows its keys", "Tk")
    assert tried == ["Tk"]
    assert choose("auto", False, X11, "linux", lambda name: name == "Qt").toolkit == "Qt"


@pytest.mark.parametrize(
    ("platform", "advice"),
    [("linux", "apt install python3-tk"), ("darwin", "python-tk"), ("win32", "tcl/tk"), ("freebsd14", "python3-tk")],
)
def test_without_a_toolkit_it_is_told_what_to_install(platform, advice):
    choice = choose("window", True, X11, platform, lambda _: False)
    assert choice.view == "none"
    assert advice in choice.why
    assert "PySide6-Essentials<6.12" in choice.why
    assert "\n" not in choice.why


def test_without_a_display_no_toolkit_is_tried_and_somebody_at_the_terminal_gets_a_page():
    choice = choose("auto", True, NOWHERE, "linux", lambda _: pytest.fail("tried"))
    assert choice == Choice("browser", "view: a page for the browser; no display (DISPLAY is not set)")
    choice = choose("auto", False, NOWHERE, "linux")
    assert choice.view == "none"
    assert "no display" in choice.why
    assert "nobody is at the terminal" in choice.why


def test_somebody_at_a_terminal_that_can_be_drawn_on_sees_the_stream_there_and_how_to_get_the_page():
    choice = choose("auto", True, NOWHERE, "linux", lambda _: pytest.fail("tried"), drawable=True)
    assert choice.view == "terminal"
    assert "no display" in choice.why
    assert choice.why.endswith("--view browser opens a page instead")
    assert choose("auto", False, NOWHERE, "linux", drawable=True).view == "none"
    assert choose("auto", True, X11, "linux", lambda _: True, drawable=True).view == "window"


def test_what_is_asked_for_is_taken():
    assert choose("none", True, X11) == Choice("none", "")
    assert choose("browser", False, NOWHERE).view == "browser"
    assert choose("window", True, NOWHERE, "linux").view == "none"
    choice = choose("terminal", True, {"TERM": "dumb"}, "linux")
    assert choice.view == "none"
    assert choice.why.startswith("view: none; ")


def test_without_tornado_there_is_no_page(monkeypatch):
    monkeypatch.setattr(views.importlib.util, "find_spec", lambda _: None)
    for wanted in ("auto", "browser"):
        choice = choose(wanted, True, NOWHERE, "linux")
        assert choice.view == "none"
        assert "pip install tornado" in choice.why


def test_where_there_may_be_a_screen():
    assert has_display(NOWHERE, "win32")
    assert has_display(NOWHERE, "darwin")
    assert has_display({"WAYLAND_DISPLAY": "wayland-0"}, "linux")
    assert not has_display({"DISPLAY": ""}, "linux")


@pytest.mark.parametrize(
    "probe", ["import os; os.abort()", "raise ImportError", "import time; time.sleep(60)"], ids=["abort", "no", "hang"]
)
def test_a_toolkit_that_aborts_or_hangs_takes_nothing_with_it(monkeypatch, probe, capfd):
    monkeypatch.setitem(views.PROBES, "Tk", probe)
    assert not can_open("Tk", 1)
    assert capfd.readouterr() == ("", "")


def test_a_toolkit_that_works_is_found(monkeypatch):
    monkeypatch.setitem(views.PROBES, "Tk", "pass")
    assert can_open("Tk")
    monkeypatch.setattr(sys, "executable", "/nowhere")
    assert not can_open("Tk")


def test_a_window_that_cannot_be_opened_is_an_error_for_the_user(monkeypatch):
    class Watched:
        memory, actions = History(10), None

        @staticmethod
        def status():
            return RunCounts(0.1).status("s", "d", (), 1)

    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.setitem(sys.modules, "streamforest.views.window", None)
    options = {"theme": "light", "notify": print, "access": PageAccess(), "cool_down": 5}
    with pytest.raises(ViewError, match="no window by Tk"):
        make_view(Choice("window", "", "Tk"), Watched(), **options)
    assert make_view(Choice("none", ""), Watched(), **options) is None


def test_choosing_does_not_import_matplotlib():
    code = "import sys, streamforest.views, streamforest.program.watch; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

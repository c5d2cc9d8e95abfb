import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.backend_bases import CloseEvent, FigureManagerBase, KeyEvent, MouseEvent
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

import main
from streamforest.figures.navigation import COMMANDS
from streamforest.figures.themes import THEMES
from streamforest.protocols import UNLABELLED, VERDICT_DTYPE
from streamforest.terminal.actions import PANEL_COMMANDS, Actions
from streamforest.terminal.keys import KEYS
from streamforest.verdicts.counts import RunCounts
from streamforest.verdicts.history import History
from streamforest.views import QT, can_open, window
from streamforest.views.window import WindowView
from tests.programs import MAIN, started

PROJECT = Path(main.__file__).parent
NEEDED = ("Xvfb", "openbox", "xdotool", "wmctrl")
missing = [program for program in NEEDED if shutil.which(program) is None]
needs_screen = pytest.mark.skipif(
    bool(missing), reason=f"needs {', '.join(missing)}; install xvfb openbox xdotool wmctrl (Debian)"
)


class ScriptedCanvas(FigureCanvasAgg):
    """A canvas with an event loop that plays keys and clicks in place of a user."""

    def start_event_loop(self, timeout=0):
        self.waits = [*getattr(self, "waits", []), timeout]
        script, self.script = getattr(self, "script", []), []
        self.is_stopped = False
        self.on_wait(timeout)
        for act in script:
            if not self.is_stopped:
                act(self)

    def on_wait(self, seconds):
        """What a test puts here takes its time."""

    def stop_event_loop(self):
        self.is_stopped = True

    class manager_class(FigureManagerBase):  # noqa: N801 - matplotlib's name
        def show(self):
            pass


def press(key):
    return lambda canvas: KeyEvent("key_press_event", canvas, key)._process()


def verdicts(n, first=0):
    rows = np.zeros(n, VERDICT_DTYPE)
    rows["index"] = np.arange(first, first + n)
    rows["value"] = np.sin(rows["index"] / 9)
    rows["label"] = UNLABELLED
    for name in ("time", "score", "threshold", "p_value", "expected", "lower", "upper"):
        rows[name] = np.nan
    return rows


@pytest.fixture
def actions():
    actions = Actions()
    yield actions
    actions.close()


class Clock:
    now = 0.0

    def __call__(self):
        return self.now

    def wait(self, seconds):
        self.now += seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def view(monkeypatch, actions, clock):
    monkeypatch.setitem(window.CANVASES, "Agg", (__name__, "ScriptedCanvas"))
    found = SimpleNamespace(ScriptedCanvas=ScriptedCanvas)
    monkeypatch.setattr(window, "importlib", SimpleNamespace(import_module=lambda _: found))
    monkeypatch.setattr(ScriptedCanvas, "on_wait", clock.wait)
    history, counts = History(1000), RunCounts(0.001)
    history.write(verdicts(300))
    status = lambda: counts.status("s", "d", ("d",), 1)  # noqa: E731
    watched = SimpleNamespace(memory=history, status=status, actions=actions)
    return WindowView(watched, theme="light", toolkit="Agg", clock=clock)


def test_every_key_asks_for_its_action_and_matplotlibs_own_keys_are_off(view, actions):
    canvas = view.figure.figure.canvas
    for key, action in KEYS.items():
        canvas.script = [press(key)]
        view.poll(1)
        assert actions.take() == [action], key
    for key in ("s", "l", "k", "v", "ctrl+w", "home", "o", None):
        canvas.script = [press(key)]
        view.poll(1)
        assert actions.take() == []
    assert view.is_open
    assert view.figure.figure.axes[1].get_yscale() == "linear"


def test_capitals_are_keys_too_and_ctrl_c_in_the_window_stops_the_run(view, actions):
    for key, action in (("G", "last-anomaly"), ("ctrl+c", "stop")):
        view.figure.figure.canvas.script = [press(key)]
        view.poll(1)
        assert actions.take() == [action]


def test_a_wait_ends_when_a_key_asks_for_something_and_none_begins_while_it_waits(view, actions):
    canvas = view.figure.figure.canvas
    canvas.script = [press("q"), press("r")]
    view.poll(1)
    assert actions.is_waiting
    waits = len(canvas.waits)
    view.poll(1)
    assert len(canvas.waits) == waits
    assert actions.take() == ["snapshot"]


def test_a_click_on_a_point_shows_its_numbers_and_one_beside_hides_them(view):
    view.poll(1)
    figure, canvas = view.figure, view.figure.figure.canvas
    upper = figure.figure.axes[1]
    x, y = upper.transData.transform((100, 0))
    names = ("button_press_event", "button_release_event")
    canvas.script = [lambda c, name=name: MouseEvent(name, c, x, y, 1)._process() for name in names]
    view.poll(1)
    view.command("pause")
    view.poll(1)
    shown = [text.get_text() for text in upper.texts]
    assert any(text.startswith("point 100\n") for text in shown)
    canvas.script = [lambda c: MouseEvent("button_press_event", c, 1, 1, 1)._process()]
    view.poll(1)
    assert figure.navigation.selected is None


def test_closing_the_window_is_noticed(view):
    canvas = view.figure.figure.canvas
    canvas.script = [lambda c: CloseEvent("close_event", c)._process()]
    view.poll(1)
    assert not view.is_open
    view.close()
    view.close()


def test_frames_are_at_most_30_a_second_and_fewer_where_drawing_is_slow(view, clock, monkeypatch):
    drawn = []

    def refresh():
        drawn.append(clock.now)
        clock.now += costs[-1]

    costs = []
    monkeypatch.setattr(view.figure, "refresh", refresh)
    for cost, most in ((0.001, 31), (0.1, 5)):
        drawn.clear()
        costs.append(cost)
        end = clock.now + 1
        while clock.now < end:
            view.poll(1)
        assert 0.8 * most <= len(drawn) <= most


def test_a_toolkit_that_no_longer_waits_has_lost_its_display(view, clock, monkeypatch):
    for _ in range(100):
        view.poll(1)
    assert view.is_open
    monkeypatch.setattr(ScriptedCanvas, "on_wait", lambda _canvas, _seconds: None)
    for _ in range(100):
        view.poll(1)
        clock.now += 0.001
    assert not view.is_open


@pytest.fixture(scope="module")
def screen():
    """A virtual screen with a window manager; gives DISPLAY."""
    reads, writes = os.pipe()
    size = ["-screen", "0", "1400x1000x24"]
    with subprocess.Popen(
        ["Xvfb", "-displayfd", str(writes), "-noreset", *size], pass_fds=[writes], stderr=subprocess.DEVNULL
    ) as server:
        os.close(writes)
        with os.fdopen(reads) as numbers:
            display = f":{numbers.readline().strip()}"
        environment = {**os.environ, "DISPLAY": display}
        with subprocess.Popen(["openbox"], env=environment, stderr=subprocess.DEVNULL) as manager:
            yield display
            manager.terminate()
        server.terminate()


class Run:
    """main.py with a window, as a user sees it."""

    def __init__(self, display, toolkit, folder, *arguments):
        self.folder = folder
        without_tk = folder / "without-tk" / "tkinter"
        without_tk.mkdir(parents=True)
        (without_tk / "__init__.py").write_text("raise ImportError('no Tk')", encoding="utf-8")
        self.environment = {**os.environ, "DISPLAY": display}
        if toolkit == "Qt":
            self.environment["PYTHONPATH"] = str(without_tk.parent)
        command = [*MAIN, "--detector", "z-score", "--images", "pictures"]
        command += ["--log", "run.log", *arguments]
        self.out = (folder / "out").open("w")
        self.err = folder / "err"
        with self.err.open("w") as err:
            self.process = started(
                command,
                cwd=folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=self.out,
                stderr=err,
            )

    def said(self):
        return self.err.read_text(encoding="utf-8")

    def points(self):
        return len((self.folder / "out").read_text(encoding="utf-8").splitlines())

    def tool(self, *words):
        return subprocess.run(words, env=self.environment, capture_output=True, text=True, check=False).stdout

    def window(self):
        """Number of the window, once it is there."""
        return wait_for(lambda: self.tool("xdotool", "search", "--onlyvisible", "--name", "streamforest").split())[0]

    def press(self, key):
        self.tool("xdotool", "windowfocus", "--sync", self.window())
        self.tool("xdotool", "key", key)

    def pictures(self):
        return sorted((self.folder / "pictures").glob("*.png"))

    def end(self, number=signal.SIGINT):
        """Seconds that the program takes to end after a signal."""
        self.process.send_signal(number)
        sent = time.monotonic()
        assert self.process.wait(timeout=20) == 0
        return time.monotonic() - sent

    def close(self):
        with self.process:
            self.process.kill()
        self.out.close()


def wait_for(found, seconds=120):
    """What a function finds, asked until it finds something."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        result = found()
        if result:
            return result
        time.sleep(0.02)
    pytest.fail(f"nothing within {seconds} s")


@cache
def opens(toolkit, display):
    """Whether a toolkit can open a display; asked in a program of its own, so once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DISPLAY", display)
        return can_open(toolkit)


@pytest.fixture(params=["Tk", "Qt"])
def toolkit(request, screen):
    if not opens(request.param, screen):
        tk, qt = (
            "needs Tk (Debian: libtk8.6; python3-tk for its own Python)",
            f"needs Qt ({QT}, and its libraries, named in .ci/run)",
        )
        pytest.skip(tk if request.param == "Tk" else qt)
    return request.param


@pytest.fixture
def start(screen, toolkit, tmp_path):
    runs = []

    def start(*arguments, display=screen):
        runs.append(Run(display, toolkit, tmp_path, *arguments))
        return runs[-1]

    yield start
    for run in runs:
        run.close()


@needs_screen
def test_q_in_the_window_saves_a_picture_and_closing_the_window_leaves_the_run_going(start, toolkit):
    run = start("--delay", "0.005", "--alarm-rate", "0.01", "--outlier-probability", "0.05")
    assert run.window()
    wait_for(lambda: run.points() > 400)
    run.press("q")
    wait_for(run.pictures)
    wait_for(lambda: "picture saved" in run.said())
    look_at(run.pictures()[0])
    assert f"view: a window, by {toolkit}" in run.said()
    run.press("Escape") if toolkit == "Qt" else run.tool("wmctrl", "-i", "-c", hex(int(run.window())))
    wait_for(lambda: "the picture is closed, the run goes on" in run.said())
    wait_for(lambda: not run.tool("xdotool", "search", "--onlyvisible", "--name", "streamforest"))
    points = run.points()
    wait_for(lambda: run.points() > points + 50)
    assert run.end() < 1
    assert run.said().count("picture saved") == 1
    assert "alarm rate" in run.said()
    assert "Traceback" not in run.said()


@needs_screen
def test_w_in_the_window_tries_other_settings_and_enter_takes_them_over(start):
    run = start("--delay", "0.005", "--alarm-rate", "0.01", "--outlier-probability", "0.05")
    assert run.window()
    wait_for(lambda: run.points() > 300)
    for key in ("w", "Down", "Right", "Return"):
        run.press(key)
    wait_for(lambda: "these settings hold now; to start with them: --direction up" in run.said())
    for key in ("w", "Left", "Escape"):
        run.press(key)
    run.press("y")
    wait_for(lambda: "noted as real" in run.said() or "there was no alarm yet" in run.said())
    assert run.said().count("these settings hold now") == 1
    assert "the picture is closed" not in run.said(), "Escape closed the panel"
    assert "Traceback" not in run.said()


def look_at(path):
    """The picture is as large as the figure, not blank, and has marked anomalies; it tells of its run."""
    with Image.open(path) as picture:
        texts = picture.text
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    assert pixels.shape == (800, 1280, 3) or pixels.shape[1] > 1000
    for name, least in (("value", 500), ("anomaly", 30)):
        colour = [int(THEMES["light"].__dict__[name][place : place + 2], 16) for place in (1, 3, 5)]
        assert np.count_nonzero(np.abs(pixels - colour).sum(axis=2) < 30) >= least, name
    assert texts["Source"] == "simulated"
    assert texts["Seed"] == "1"
    assert "ALARM_RATE=0.01" in texts["Settings"]
    assert "numpy" in texts["Versions"]
    assert " to " in texts["Range of points"]


@needs_screen
@pytest.mark.parametrize(
    ("toolkit", "number"), [("Tk", signal.SIGINT), ("Qt", signal.SIGTERM)], ids=["Tk", "Qt"], indirect=["toolkit"]
)
def test_a_signal_ends_a_run_with_a_window_within_a_second(start, number):
    run = start("--delay", "0.005")
    run.window()
    wait_for(run.points)
    assert run.end(number) < 1
    assert "alarm rate" in run.said()
    assert "Traceback" not in run.said()


@needs_screen
def test_losing_the_display_loses_neither_a_row_nor_the_run(start, tmp_path):
    reads, writes = os.pipe()
    with subprocess.Popen(
        ["Xvfb", "-displayfd", str(writes), "-noreset"], pass_fds=[writes], stderr=subprocess.DEVNULL
    ) as server:
        os.close(writes)
        with os.fdopen(reads) as numbers:
            display = f":{numbers.readline().strip()}"
        options = ("--report", "report.csv", "--alarm-rate", "0.02", "--outlier-probability", "0.2")
        run = start("--delay", "0.005", "--format", "json", *options, display=display)
        run.window()
        wait_for(lambda: run.points() > 200)
        server.kill()
    wait_for(lambda: "the run goes on" in run.said())
    points = run.points()
    wait_for(lambda: run.points() > points + 50)
    assert run.end() < 1
    anomalous = [line for line in (tmp_path / "out").read_text().splitlines() if '"is_anomaly":true' in line]
    with (tmp_path / "report.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == len(anomalous) > 0
    assert (tmp_path / "run.log").read_text().count("start") == (tmp_path / "run.log").read_text().count(" end ")
    assert "alarm rate" in run.said()


class DrivenWindow:
    """A window that a real mouse and real keys act on, and that says what it shows."""

    def __init__(self, toolkit, display):
        self.environment = {**os.environ, "DISPLAY": display}
        command = [sys.executable, "-m", "tests.views.window_driver", toolkit]
        self.process = subprocess.Popen(
            command, cwd=PROJECT, env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.number = wait_for(lambda: self.tool("search", "--onlyvisible", "--name", "driven window").split(), 120)[0]

    def tool(self, *words):
        return subprocess.run(
            ["xdotool", *map(str, words)], env=self.environment, capture_output=True, text=True, check=False
        ).stdout

    def state(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def until(self, holds):
        """The state of the window once something holds."""

        def found():
            state = self.state()
            return state if holds(state) else None

        return wait_for(found, 90)

    def move(self, across, up=0.5):
        """Put the mouse at shares of the width and height of the stream's panel."""
        left, top, width, height = self.state()["panel"]
        self.move_to(left + across * width, top + (1 - up) * height)

    def move_to(self, x, y):
        self.tool("mousemove", "--window", self.number, round(x), round(y))

    def press(self, key):
        self.tool("windowfocus", "--sync", self.number)
        self.tool("key", key)

    def close(self):
        with self.process:
            self.process.kill()


@pytest.fixture
def driven(screen, toolkit):
    window = DrivenWindow(toolkit, screen)
    yield window
    window.close()


@needs_screen
def test_a_real_mouse_points_zooms_moves_and_goes_live_and_real_keys_step_from_alarm_to_alarm(driven):
    assert "h all keys" in driven.state()["notice"]
    driven.move(0.25)
    state = driven.until(lambda s: s["pointed"])
    left, right = state["view"]
    index = int(re.search(r"point ([\d,]+)", state["pointed"])[1].replace(",", ""))
    assert index == pytest.approx(left + 0.25 * (right - left), abs=8)
    driven.tool("click", 4)  # the wheel, away from the user
    state = driven.until(lambda s: s["view"][1] - s["view"][0] == 400)
    assert state["view"][0] == pytest.approx(left + 0.25 * 100, abs=8)
    assert state["paused"]
    driven.tool("mousedown", 1)
    driven.move(0.5)
    moved = driven.until(lambda s: s["view"][0] < state["view"][0] - 60)
    assert moved["view"][0] == pytest.approx(state["view"][0] - 100, abs=8)
    driven.tool("mouseup", 1)
    driven.tool("click", "--repeat", 2, "--delay", 40, 1)
    driven.until(lambda s: not s["paused"] and s["selected"] is None)
    for key, selected in (("comma", 2_650), ("comma", 2_150), ("period", 2_650)):
        driven.press(key)
        driven.until(lambda s, selected=selected: s["selected"] == selected)
    driven.press("period")
    state = driven.until(lambda s: "no later alarm" in s["notice"])
    width = state["view"][1] - state["view"][0]
    driven.press("plus")
    driven.until(lambda s: s["view"][1] - s["view"][0] == width // 2)
    driven.press("e")
    state = driven.until(lambda s: len(s["rows"]) > 3)
    driven.move_to(*state["rows"][2])
    driven.tool("click", 1)
    driven.until(lambda s: s["selected"] == 1_650)


@needs_screen
def test_every_other_key_of_the_picture_works_in_a_real_window(driven):
    driven.press("f")
    driven.until(lambda s: s["ahead"] > 20)
    driven.press("f")
    driven.until(lambda s: s["ahead"] == 0)
    for key, words in (("h", "save a picture"), ("i", "asked for and got"), ("i", ""), ("h", "Ctrl+C"), ("h", "")):
        driven.press(key)
        driven.until(lambda s, words=words: words in s["box"] if words else not s["box"])
    driven.press("space")
    left, right = driven.until(lambda s: s["paused"])["view"]
    driven.press("Left")
    driven.until(lambda s: s["view"] == [left - (right - left) // 2, right - (right - left) // 2])
    driven.press("Right")
    driven.until(lambda s: s["view"][1] == 3_000)  # the newest point: there is nothing behind it
    driven.press("minus")
    driven.until(lambda s: s["view"][1] - s["view"][0] == 2 * (right - left))
    for selected in (2_650, 2_150):
        driven.press("g")
        driven.until(lambda s, selected=selected: s["selected"] == selected)
    driven.press("space")
    driven.until(lambda s: not s["paused"])


def test_every_key_for_the_picture_is_a_command_of_the_figure():
    others = {"snapshot", "case", "report", "next-detector", "unwatch"}
    assert set(KEYS.values()) - others - set(PANEL_COMMANDS) <= set(COMMANDS)

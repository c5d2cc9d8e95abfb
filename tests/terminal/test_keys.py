import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import main
from streamforest.models.model_file import save_model
from streamforest.terminal import keys
from streamforest.terminal.actions import NAMES

PROJECT = Path(main.__file__).parent
needs_terminal = pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal: Linux or macOS")
if sys.platform != "win32":
    from tests.shells import Shell


def test_every_key_stands_for_an_action_that_exists():
    assert set(keys.KEYS.values()) <= NAMES


def test_capitals_are_the_same_keys_and_names_of_keys_are_not_letters():
    assert keys.action_of("Q") == "snapshot"
    assert keys.action_of("escape") == "unwatch"
    assert keys.action_of("ctrl+q") is None
    assert keys.action_of("x") is None
    assert keys.action_of(None) is None


@pytest.mark.parametrize(
    ("sent", "names"),
    [
        (b"q", ["q"]),
        (b"\x1b", ["escape"]),
        (b"\x1b[D\x1b[Cq", ["left", "right", "q"]),
        (b"\x1bOD", ["left"]),
        (b"\x1b[1;5Dq", ["q"]),
        (b"\x1b[3~q", ["q"]),
        (b"\x1bOPq", ["q"]),
        (b" +", [" ", "+"]),
        (b"\x1b\x1b", ["escape", "escape"]),
        (b"\x1b]11;rgb:0000/0000/0000\x1b\\q", ["q"]),
        (b"\x1b]11;rgb:0000/0000/0000\x07q", ["q"]),
        (b"\x1bP>|a terminal\x1b\\q\x1b[?6cr", ["q", "r"]),
        (b"\x1b]11;rgb:", []),
    ],
)
def test_what_a_terminal_sends_is_told_apart(sent, names):
    assert list(keys.typed(sent)) == names


@given(st.binary(max_size=60))
def test_any_bytes_are_taken_in(sent):
    assert len(list(keys.typed(sent))) <= len(sent)


def test_without_a_terminal_there_are_no_keys(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "stdin", None)
    assert keys.listen(print) is None
    with (tmp_path / "empty").open("w+") as file:
        monkeypatch.setattr(sys, "stdin", file)
        assert keys.listen(print) is None
    assert keys.listen(print) is None  # closed


# The global hotkey


class Package:
    """A stand-in for the keyboard package, whose every fault has been met with."""

    def __init__(self, fault=None):
        self.fault = fault
        self.keys = {}

    def add_hotkey(self, key, callback, args=()):
        if self.fault is not None:
            raise self.fault
        self.keys[key] = lambda: callback(*args)


@pytest.fixture
def install(monkeypatch):
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    return lambda package: monkeypatch.setitem(sys.modules, "keyboard", package)


def test_the_global_q_asks_for_a_picture(install):
    package, asked = Package(), []
    install(package)
    assert keys.listen_everywhere(asked.append, print)
    package.keys["q"]()
    assert asked == ["snapshot"]


@pytest.mark.parametrize(
    ("fault", "reported"),
    [
        (ImportError("You must be root to use this library on linux."), "You must be root"),
        (AssertionError(), "no keyboard was found"),
        (FileNotFoundError(2, "No such file or directory", "dumpkeys"), "dumpkeys is missing (Debian: package kbd)"),
        (OSError(13, "Error 13"), "Error 13"),
        (ValueError("Key 'q' is not mapped to any known key."), "not mapped"),
    ],
)
def test_a_global_q_that_cannot_work_is_told_in_one_line(install, fault, reported):
    install(Package(fault))
    said = []
    assert not keys.listen_everywhere(print, said.append)
    assert len(said) == 1
    assert reported in said[0]
    assert "GLOBAL_HOTKEY = False" in said[0]


def test_a_missing_package_is_told_with_what_to_install(install):
    install(None)
    said = []
    assert not keys.listen_everywhere(print, said.append)
    assert said == ["no global hotkey: run 'python -m pip install keyboard', or set GLOBAL_HOTKEY = False"]


def test_a_fault_in_a_thread_of_the_package_is_told_once_and_any_other_as_ever(install, monkeypatch):
    usual, said = [], []
    monkeypatch.setattr(threading, "excepthook", usual.append)
    install(Package())
    keys.listen_everywhere(print, said.append)
    code = compile("def listen():\n    raise OSError('Error 13 - Must be run as administrator')", "listener", "exec")
    inside: dict[str, object] = {"__name__": "keyboard._generic"}
    exec(code, inside)
    for target in (inside["listen"], inside["listen"], lambda: 1 / 0):
        thread = threading.Thread(target=target)
        thread.start()
        thread.join()
    assert said == ["no global hotkey: Error 13 - Must be run as administrator; set GLOBAL_HOTKEY = False"]
    assert [fault.exc_type for fault in usual] == [ZeroDivisionError]


# A terminal


@pytest.fixture
def shell(tmp_path):
    shell = Shell(tmp_path)
    yield shell
    shell.close()


QUIET = ("--view", "none", "--delay", "0.01", "--format", "quiet", "--alarm-rate", "0.000001")


@needs_terminal
def test_keys_in_the_terminal_work_without_a_view_and_ctrl_c_ends_with_the_terminal_as_it_was(shell, model, tmp_path):
    save_model(model, tmp_path / "forest.joblib")
    shell.main(*QUIET, "--model", "forest.joblib")
    shell.wait_for("q picture")
    shell.wait(shell.is_cbreak)
    shell.type("q")
    shell.wait_for("picture saved: ")
    assert shell.pictures() == 1
    shell.type("c")
    shell.wait(lambda: "case written: " in shell.text or "no case: there is no episode yet" in shell.text)
    shell.type("rd")
    shell.wait_for("report written: ")
    shell.wait_for("isolation-forest")
    shell.type("\x03")
    shell.wait_for("alarm rate")
    shell.wait(lambda: shell.modes() == shell.before)
    assert "Traceback" not in shell.text
    assert "qrd" not in shell.text.split("watching", 1)[1]


@needs_terminal
def test_ctrl_z_gives_the_terminal_back_and_fg_brings_the_keys_back(shell):
    shell.main(*QUIET)
    shell.wait(shell.is_cbreak)
    shell.type("\x1a")
    shell.wait_for("Stopped")
    assert shell.modes() == shell.before
    shell.type("fg\n")
    shell.wait(shell.is_cbreak)
    shell.type("q")
    shell.wait(shell.pictures)
    shell.type("\x1a")
    shell.wait_for("Stopped", 2)
    shell.type("kill -TERM %1; fg\n")
    shell.wait_for("alarm rate")
    shell.wait(lambda: shell.modes() == shell.before)


@needs_terminal
def test_a_stop_that_cannot_be_caught_is_recovered_from(shell):
    shell.main(*QUIET)
    shell.wait(shell.is_cbreak)
    os.kill(shell.program, signal.SIGSTOP)
    shell.wait_for("Stopped")
    shell.type("stty sane; fg\n")
    shell.wait(shell.is_cbreak)
    shell.type("q")
    shell.wait(shell.pictures)
    shell.type("\x03")
    shell.wait_for("alarm rate")
    shell.wait(lambda: not shell.is_cbreak())


@needs_terminal
def test_a_job_in_the_background_is_not_stopped_and_has_its_keys_when_it_comes_to_the_front(shell):
    shell.main("--view", "none", "--delay", "0.02", ">", "points.txt", end=" &\n")
    points = shell.folder / "points.txt"
    shell.wait(lambda: points.exists() and points.read_text().count("\n") > 20)
    assert shell.modes() == shell.before
    shell.type("jobs\n")
    shell.wait_for("Running")
    assert "Stopped" not in shell.text
    shell.type("fg\n")
    shell.wait(shell.is_cbreak)
    shell.type("q")
    shell.wait(shell.pictures)
    shell.type("\x03")
    shell.wait_for("alarm rate")
    shell.wait(lambda: shell.modes() == shell.before)


@needs_terminal
@pytest.mark.parametrize(
    "end", ["--max-points 100 --delay 0.01", "--max-points 5000 --delay 0 | head -1", "words.csv --delay 0", "SIGTERM"]
)
def test_the_terminal_is_as_before_after_every_kind_of_end(shell, end):
    (shell.folder / "words.csv").write_text("value\n" + "x\n" * 200, encoding="utf-8")
    shell.main("--view", "none", *([] if end == "SIGTERM" else [end]), end="; echo over-$?\n")
    if end == "SIGTERM":
        shell.wait(shell.is_cbreak)
        subprocess.run(["pkill", "-TERM", "-P", str(shell.process.pid), "-f", "main.py"], check=True)
    shell.wait(lambda: shell.text.rstrip().endswith("$") and "over-" in shell.text.replace("over-$", ""))
    assert shell.modes() == shell.before
    assert "Traceback" not in shell.text


@needs_terminal
def test_keys_are_not_taken_from_numbers_that_are_typed_in(shell):
    shell.main("-", "--view", "none")
    shell.wait_for("watching standard input")
    assert not shell.is_cbreak()
    shell.type("1.5\n2.5\n\x04")
    shell.wait_for("2 in")
    assert shell.pictures() == 0

"""``main.py`` as a program of its own, without the second that it takes to load: forked from one that has loaded."""

import atexit
import ctypes
import gc
import importlib
import inspect
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
from functools import cache
from pathlib import Path

import numpy as np

PROJECT = Path(__file__).resolve().parents[1]
MAIN = (sys.executable, str(PROJECT / "main.py"))
#: What only a program that is started anew can have.
FRESH = ("preexec_fn", "pass_fds", "shell", "executable", "user", "group", "extra_groups", "umask")
#: What is loaded beforehand: a run's parts, those of its picture and its page, and the usual sources.
MODULES = (
    *("anomaly", "streamforest.program.run", "streamforest.program.foresight", "streamforest.program.summary.page"),
    *("streamforest.program.watch", "streamforest.figures.snapshot", "streamforest.detectors.z_score"),
    *("streamforest.sources.file", "streamforest.sources.stdin", "streamforest.sources.simulated"),
)
SHIPPED = PROJECT / "streamforest" / "models" / "isolation_forest.joblib"
PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
LINUX = sys.platform == "linux"


class Forked(subprocess.Popen):
    """A child process of this one like any other, with its own number, signals, streams, folder and environment.

    The process that has loaded forks it by way of another that ends at once; what that leaves behind becomes a child of
    this process, which adopts orphans for as long as that takes.
    """

    def _execute_child(self, *arguments):
        asked = inspect.signature(super()._execute_child).bind(*arguments).arguments
        pipes = [asked[name] for name in ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")]
        own = [pipes[at] if pipes[at] != -1 else number for number, at in enumerate((0, 3, 5))]
        words = {
            "arguments": [str(word) for word in asked["args"]][1:],
            "folder": str(asked["cwd"] or Path.cwd()),
            "environment": dict(os.environ if asked["env"] is None else asked["env"]),
            "session": bool(asked.get("start_new_session")),
            "group": asked.get("process_group", -1),
        }
        with ASKING:
            ask = loaded()
            adopt_orphans(True)
            try:
                socket.send_fds(ask, [json.dumps(words).encode()], own)
                self.pid = int(ask.recv(PACKET))
            finally:
                adopt_orphans(False)
        self._child_created = True
        self._close_pipe_fds(*pipes)


PACKET = 1 << 17  # bytes of a question, at most
ASKING = threading.Lock()


def _is_other_python(environment):
    """Whether Python itself would start in another way with these variables, as with its own ``sitecustomize``."""
    names = {name for name in (*environment, *os.environ) if name.startswith("PYTHON")}
    return any(environment.get(name) != os.environ.get(name) for name in names)


def started(command, **options):
    """``subprocess.Popen``, forked if the command is main.py and nothing asks for a program that is started anew."""
    words = [str(word) for word in command]
    is_fresh = any(options.get(name) for name in FRESH) or _is_other_python(options.get("env") or os.environ)
    is_forked = LINUX and tuple(words[:2]) == MAIN and not is_fresh
    return (Forked if is_forked else subprocess.Popen)(words, **options)


def ran(command, **options):
    """``subprocess.run`` in the same way, with what is written captured and, if none is given, an empty input."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
    seconds = options.pop("timeout", 300)
    with started(command, **pipes | options) as program:
        try:
            out, err = program.communicate(timeout=seconds)
        except BaseException:
            program.kill()
            raise
    return subprocess.CompletedProcess(program.args, program.returncode, out, err)


def adopt_orphans(whether):
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, int(whether), 0, 0, 0)


@cache
def loaded():
    """A socket to the process that has loaded, which ends with this one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [sys.executable, "-m", "tests.programs", str(theirs.fileno())]
    null = subprocess.DEVNULL
    process = subprocess.Popen(command, pass_fds=[theirs.fileno()], cwd=PROJECT, stdin=null, stdout=null)
    theirs.close()

    def end():
        ours.close()
        process.wait(60)

    atexit.register(end)
    return ours


# The process that has loaded


def load():
    """Import what runs need, and load what is compiled of the usual detector."""
    os.environ.pop("MPLBACKEND", None)  # as main.py does before it imports matplotlib
    for name in MODULES:
        importlib.import_module(name)
    judge = importlib.import_module("streamforest.detectors.isolation_forest").StreamDetector.load(SHIPPED)
    judge.update(1.0)
    judge.update_many(np.ones(50))


def serve(ask):
    """Fork a program for each question; returns in the program, with what is to be run."""
    while True:
        question, streams, *_ = socket.recv_fds(ask, PACKET, 3)
        if not question:
            os._exit(0)
        number, numbered = os.pipe()
        between = os.fork()
        if between:
            os.waitpid(between, 0)
            ask.send(os.read(number, 20))  # now that the program is an orphan, which the asker adopts
            for descriptor in (number, numbered, *streams):
                os.close(descriptor)
            continue
        program = os.fork()
        if program:
            os.write(numbered, str(program).encode())
            os._exit(0)
        os.close(number)
        os.close(numbered)
        ask.close()
        return json.loads(question), streams


def become(words, streams):
    """Take over streams, folder, environment and group of what is to be run."""
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(words["folder"])
    os.environ.clear()
    os.environ.update(words["environment"])
    if words["session"]:
        os.setsid()
    elif words["group"] >= 0:
        os.setpgid(0, words["group"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv, sys.path[0] = words["arguments"], str(PROJECT)
    sys.stdin = sys.__stdin__ = open(0, closefd=False)  # noqa: SIM115 - open until the end, as these are
    sys.stdout = sys.__stdout__ = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.__stderr__ = open(2, "w", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    load()
    gc.freeze()
    become(*serve(socket.socket(fileno=int(sys.argv[1]))))
    runpy.run_path(sys.argv[0], run_name="__main__")

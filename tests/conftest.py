import compileall
import gc
import multiprocessing
import pickle
import signal
import sys
from contextlib import suppress
from importlib.util import module_from_spec, spec_from_file_location

import numpy as np
import pytest
from hypothesis import settings

from streamforest.program import training, warm_up
from streamforest.simulation.streams import Season, StreamProfile, default_profile, random_shape
from tests.servers import wait_until

#: Fewer streams than the production model's, all else as it is there.
SMALL = {"FIT_STREAMS": 100, "CALM_STREAMS": 300, "CHECK_STREAMS": 20, "CHECK_POINTS": 2000}

# a deadline for an example would only tell how busy the machine is
settings.register_profile("patient", settings(), deadline=None)
settings.load_profile("patient")

#: Files that take longest, the longest first: where they come last, one worker is at them while the other has nothing.
LONGEST = (
    *("features/test_observe", "views/test_window", "detectors/test_conformance", "test_docs", "views/test_browser"),
    *("detectors/test_isolation_forest", "test_main", "figures/test_stream_figure", "views/test_terminal"),
    *("benchmarks/test_crash", "detectors/test_sliding_forest", "test_limits", "simulation/test_streams"),
    *("test_faults", "terminal/test_signals", "figures/test_snapshot", "figures/test_mouse"),
    *("benchmarks/test_hostile_lines", "benchmarks/test_quality", "test_security", "benchmarks/test_choose_weights"),
    *("benchmarks/test_recurring", "program/test_replay_command", "models/test_forest", "sinks/test_hook"),
)


@pytest.fixture(autouse=True)
def signals_as_before():
    """A run in this process takes signals over and ignores them at its end, which programs that tests start inherit."""
    names = [name for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGBREAK") if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in (getattr(signal, name) for name in names)}
    yield
    for number, handler in before.items():
        if handler is not None and signal.getsignal(number) != handler:
            signal.signal(number, handler)


def pytest_configure(config):
    """Workers take files in the order below, not by their number of tests, which says little of their time."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


def pytest_collection_modifyitems(config, items):
    """The files that take longest come first where there are workers."""
    if hasattr(config, "workerinput"):
        place = {config.rootpath / "tests" / f"{name}.py": at for at, name in enumerate(LONGEST)}
        items.sort(key=lambda item: place.get(item.path, len(LONGEST)))


def pytest_sessionstart(session):
    """Compile what most tests need before there are workers, or each of them would compile it.

    The bytecode too, where the environment says that none is to be written: each program that a test starts would make
    it anew, in a quarter of a second. And the tests themselves, with their asserts rewritten: seconds of each worker.
    """
    if getattr(session.config.option, "numprocesses", None) and not hasattr(session.config, "workerinput"):
        rewriting = []
        if "fork" in multiprocessing.get_all_start_methods():
            rewriting = [multiprocessing.get_context("fork").Process(target=keep_rewritten, args=[session.config])]
        for process in rewriting:
            process.start()
        compileall.compile_dir(session.config.rootpath / "streamforest", quiet=2)
        warm_up.compile_all("stream", "point")
        for process in rewriting:
            process.join()


def keep_rewritten(config):
    """Leave all tests on disk as pytest's import hook compiles them; a pytest without such a hook does without."""
    with suppress(ImportError, AttributeError, KeyError):
        from _pytest.assertion.rewrite import assertstate_key  # noqa: PLC0415 - may be missing

        hook = config.stash[assertstate_key].hook
        sys.dont_write_bytecode = False
        for path in sorted((config.rootpath / "tests").rglob("test_*.py")):
            module = module_from_spec(spec_from_file_location(path.stem, path, loader=hook))
            module.__builtins__ = {}  # so it ends at its first import
            with suppress(ImportError):
                hook.exec_module(module)


def pytest_collection_finish():
    """Take what was imported and collected, half a million objects that all live on, out of each search for garbage."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def model(tmp_path_factory, worker_id):
    """The production model, made of fewer streams; trained by the first worker that needs it."""
    folder = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        folder = folder.parent  # that of all workers
    path, claim = folder / "model.pickle", folder / "model.claim"
    try:
        claim.open("x").close()
    except FileExistsError:
        wait_until(path.exists, 300)
        return pickle.loads(path.read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        for name, number in SMALL.items():
            patch.setattr(training, name, number)
        made = training.train(1, 0.001)[0]
    written = folder / "model.written"
    written.write_bytes(pickle.dumps(made))
    written.replace(path)
    return made


@pytest.fixture(scope="session")
def profiles():
    """Streams of every make, by name."""
    daily = Season(24, random_shape(np.random.default_rng(3), 24, 5.0))
    return {
        "plain": StreamProfile(),
        "seasonal": default_profile(),
        "short season": StreamProfile(seasons=(daily,)),
        "drifting": StreamProfile(drift=5.0, drift_points=2000.0),
        "heavy-tailed": StreamProfile(noise="heavy-tailed"),
        "autocorrelated": StreamProfile(noise="autocorrelated"),
        "counts": StreamProfile(level=20.0, noise="counts"),
        "rare counts": StreamProfile(level=2.0, noise="counts"),
    }

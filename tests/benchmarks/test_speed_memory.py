import os
import sys

import numpy as np
import pytest

from benchmarks.speed_memory import MIB, NOBODY, ProcessError, alone, available, memories, models, resident

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="read from /proc")


@pytest.fixture
def kept(stream, tmp_path):
    np.save(tmp_path / "stream.npy", stream)
    return tmp_path / "stream.npy"


@linux
def test_a_contender_in_a_process_of_its_own_has_a_cost_and_more_memory_than_nobody(model_path, kept):
    cost, mib = alone("StreamDetectors, 300 streams, 1 thread", model_path, kept, 1, 300, 1)
    assert cost.median > 0.0
    nobody, least = alone(NOBODY, model_path, kept, 1, 300, 1)
    assert nobody.median == 0.0
    assert mib > least > 5.0


def test_a_process_that_fails_is_told_in_one_line(kept, tmp_path):
    with pytest.raises(ProcessError, match=r"^StreamDetector.update: .*there is no model at .*none\.joblib"):
        memories(["StreamDetector.update"], tmp_path / "none.joblib", kept, 1, 1, 1)


@linux
def test_the_memory_of_this_process_and_what_is_free_are_known():
    held = np.ones(50 * MIB // 8)
    assert resident() == resident(os.getpid()) > held.nbytes
    assert available() > 0


def test_models_have_a_size_and_a_load_time(model_path, stream, tmp_path):
    costs = models(model_path, stream[:2000], 1, tmp_path, has_river=False)
    assert [(one.topic, one.unit) for one in costs] == [("model size", "KiB")] * 2 + [("model load", "ms")] * 2
    assert costs[0].median == model_path.stat().st_size / 1024
    assert all(one.median > 0.0 for one in costs)

import subprocess
import sys

import pytest

from streamforest.orphans import children, reap
from tests.servers import wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc: Linux")


def test_a_child_that_nobody_asks_about_is_struck_off_at_the_second_look_and_one_that_runs_is_not():
    ended = subprocess.Popen(["true"])
    with subprocess.Popen(["sleep", "600"]) as runs:
        wait_until(lambda: ended.pid in reap(set()))
        assert {ended.pid, runs.pid} <= children()
        reap({ended.pid, runs.pid})
        assert ended.pid not in children()
        assert runs.pid in children()
        assert runs.poll() is None
        runs.kill()
    assert ended.wait(60) == 0, "its end is no fault to whoever asks late"

import threading

import numpy as np

from streamforest.program.foresight import Foresight


def test_nothing_is_expected_until_what_it_takes_is_compiled_beside_the_picture():
    may_end, calls = threading.Event(), []

    def prepare():
        calls.append(threading.current_thread())
        assert may_end.wait(60)

    foresight = Foresight(np.arange, prepare)
    assert not calls
    assert len(foresight(3)) == len(foresight(3)) == 0
    may_end.set()
    foresight._thread.join(60)
    assert foresight(3).tolist() == [0, 1, 2]
    assert len(calls) == 1
    assert calls[0] is not threading.current_thread()

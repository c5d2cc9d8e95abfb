import ast
from pathlib import Path
from types import SimpleNamespace

import anomaly
from streamforest.detectors.z_score import ZScoreDetector
from streamforest.program.description import Command, Run
from streamforest.program.judges import OneStreamJudge
from streamforest.program.loop import Loop
from streamforest.sources.simulated import SimulatedSource
from streamforest.terminal.stop import StopFlag
from streamforest.verdicts.counts import RunCounts


class ListSink:
    """Keeps the bytes of all verdicts."""

    name = "a list"

    def __init__(self):
        self.said, self.closed = b"", 0

    def write(self, verdicts):
        self.said += verdicts.tobytes()

    def close(self):
        self.closed += 1


def judged(judge_all):
    """What a sink hears of a simulated stream that is judged to its end."""
    sink, stop = ListSink(), StopFlag()
    options = SimpleNamespace(delay=0, max_points=5000, counter=False, gauge=False, holidays=None)
    judge = OneStreamJudge(lambda _recent: ZScoreDetector())
    run = Run(Command("test", (), options), SimulatedSource(1, 0.02), judge, RunCounts(0.001), stop)
    judge_all(Loop(run, [sink], notify=print))
    stop.close()
    assert sink.closed == 1
    return sink.said


def test_the_loop_of_the_script_and_of_the_package_tell_the_same():
    said = judged(anomaly.anomaly_dect)
    assert said
    assert said == judged(Loop.run)


def test_the_scripts_are_a_page_each():
    for name in ("main", "anomaly", "model_prod"):
        path = Path(anomaly.__file__).with_name(f"{name}.py")
        assert len(ast.unparse(ast.parse(path.read_text(encoding="utf-8"))).splitlines()) <= 60

import json
import threading

import numpy as np
import pytest

from streamforest.detectors.z_score import ZScoreDetector
from streamforest.program import cli, detect_limits
from streamforest.program.detect_limits import as_objects
from streamforest.program.detect_limits_panel import LimitsPanel
from tests.chosen import run_of
from tests.program.test_detect_limits import noise, points_of
from tests.program.test_panels import Watched, points
from tests.servers import wait_until

SECONDS = 120.0


@pytest.fixture(autouse=True)
def few_places(monkeypatch):
    """Fewer trials: what is said of them is tested elsewhere."""
    for name, number in (("PLACES", 10), ("RANK", 9), ("HALVINGS", 5)):
        monkeypatch.setattr(detect_limits, name, number)


def test_t_tells_what_the_command_tells_of_the_same_readings(tmp_path, capsys):
    path, kept = tmp_path / "kept.csv", points(0, 1500)
    rows = [f"{time},{value!r}" for time, value in zip(kept["time"].tolist(), kept["value"].tolist(), strict=True)]
    path.write_text("\n".join(["time,value", *rows, ""]), encoding="utf-8")
    words = ("--alarm-rate", "0.002", "--seed", "5", "--history", "1200")
    assert cli.main(["detect-limits", str(path), "--detector", "z-score", "--format", "json", *words], "x") == 0
    printed = json.loads(capsys.readouterr().out.splitlines()[0])
    with run_of(*words) as run:
        watched = Watched(run)
        watched.press("limits")
        panel = watched.watch.choices()
        wait_until(lambda: panel.answer is not None, SECONDS)
        assert as_objects(panel.answer) == printed
        watched.press("down", "unwatch")
        assert watched.watch.choices() is None
        watched.watch.close()
        watched.watch.actions.close()


def test_where_alarms_come_too_often_to_tell_it_is_said_that_nothing_is_known():
    values = noise(1500)
    values[::20] += 50.0
    panel = LimitsPanel(points_of(values), ZScoreDetector, 0.001, 1, lambda: None)
    wait_until(lambda: "not known" in panel.panel().result, SECONDS)
    assert panel.panel().rows == ()


def test_both_directions_of_a_kind_share_a_row_and_all_are_told_as_they_are_found():
    seen, made = [], threading.Event()

    def look():
        made.wait()  # it begins before its caller has it
        seen.append(panel.panel())

    panel = LimitsPanel(points_of(noise(1500)), ZScoreDetector, 0.001, 1, look)
    made.set()
    wait_until(lambda: panel.answer is not None and panel.panel().version == seen[-1].version, SECONDS)
    assert "1 of 9 kinds" in seen[0].result
    assert [row.name for row in seen[-1].rows][:3] == ["spike, dip", "level shift up, down", "ramp up, down"]
    assert seen[-1].rows[0].text.count("at once") == 2
    assert " an hour within " in seen[-1].rows[2].text or "not caught" in seen[-1].rows[2].text
    assert seen[-1].result.startswith("caught in 9 of 10 at an alarm rate of 0.1 %")
    assert not seen[-1].has_choice
    assert len({one.version for one in seen}) == len(seen)
    panel.set_share(99, 0.5)
    assert panel.panel().chosen == len(panel.panel().rows) - 1
    assert panel.command("take"), "there is nothing to take"
    assert not panel.command("leave")


def test_too_few_readings_and_a_detector_that_cannot_be_made_are_told():
    with pytest.raises(ValueError, match="it has 40 readings, 500 are needed"):
        LimitsPanel(points_of(np.arange(40.0)), ZScoreDetector, 0.001, 1, lambda: None)

    def make(_rate):
        raise ValueError("no model")

    panel = LimitsPanel(points_of(noise(600)), make, 0.001, 1, lambda: None)
    wait_until(lambda: panel.panel().result == "no model", SECONDS)

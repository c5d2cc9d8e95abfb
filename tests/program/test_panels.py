import json

import numpy as np
import pytest

from streamforest.judging.advice import alarms_at
from streamforest.program import interaction
from streamforest.program.run import with_taken_rules
from streamforest.protocols import POINT_DTYPE, DetectorError
from streamforest.terminal import console
from tests.chosen import run_of
from tests.servers import wait_until

START = 1714521600.0  # 2024-05-01T00:00:00Z
SECONDS = 120.0


class View:
    """A view that looks at a point, or at none."""

    name = "scripted"
    is_open = True
    selected = None

    def __init__(self, first, last):
        from types import SimpleNamespace  # noqa: PLC0415

        self.navigation = SimpleNamespace(view=SimpleNamespace(left=first, right=last + 1), selected=None)

    def poll(self, _seconds):
        pass

    def command(self, name):
        pass

    def close(self):
        pass


def points(first, n, seed=1):
    """Noise with two high spikes and a low one, of the minutes of a day."""
    found = np.zeros(n, POINT_DTYPE)
    index = np.arange(first, first + n)
    found["time"], found["label"] = START + 60.0 * index, -1
    found["value"] = np.random.default_rng(seed).normal(20.0, 1.0, first + n)[first:]
    for place, size in ((600, 20.0), (1000, -35.0), (1300, 25.0)):
        found["value"][index == place] += size
    return found


class Watched:
    """A run that somebody watches, with all that is between a key and what it does."""

    def __init__(self, run):
        self.run = run
        self.watch, self.sinks = interaction.make_watch(run)
        self.view = View(0, 1499)
        self.watch.show(self.view)
        self.judge(0, 1500)

    def judge(self, first, n):
        blocks = self.run.judge.judge(points(first, n))
        for block in blocks:
            for sink in self.sinks:
                sink.write(block)
        return np.concatenate(blocks)

    def press(self, *names, at=None):
        self.view.navigation.selected = at
        for name in names:
            self.watch.actions.ask(name)
            self.watch._carry_out_all()

    def panel(self):
        """The panel, once all is judged."""
        choices = self.watch.choices()
        assert choices is not None
        wait_until(lambda: "judging" not in choices.panel().result, SECONDS)
        return choices.panel()

    def take(self):
        """Take what is chosen, and wait until it can hold."""
        self.press("take")
        assert self.watch.choices() is None
        self.wait()

    def wait(self):
        wait_until(lambda: self.run.judge._switch._ready is not None, SECONDS)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "verdicts.jsonl"


@pytest.fixture
def watched(file):
    with run_of("--alarm-rate", "0.002", "--verdicts", str(file)) as run:
        watched = Watched(run)
        yield watched
        watched.watch.close()
        watched.watch.actions.close()


def lines(file):
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_w_opens_the_panel_the_arrows_change_it_and_enter_takes_it_over(watched):
    watched.press("up", "down", "take")
    assert watched.watch.choices() is None, "no panel is open: these keys do nothing"
    watched.press("what-if", "down", "forward")
    assert watched.panel().rows[1].text == "up only"
    assert "dropped" in watched.panel().result
    watched.take()
    later = points(1500, 100)
    later["value"][50] -= 60.0
    (verdicts,) = watched.run.judge.judge(later)
    assert not verdicts["is_anomaly"][50]
    assert console.newest_notice() == "these settings hold now; to start with them: --direction up"
    watched.press("what-if", "back", "unwatch")
    assert watched.watch.choices() is None
    assert watched.run.status().alarm_rate == 0.002


def test_the_key_of_the_open_panel_closes_it_and_that_of_another_opens_that(watched):
    for name, other in (("what-if", "limits"), ("limits", "what-if")):
        watched.press(name)
        opened = watched.watch.choices()
        watched.press(other)
        assert watched.watch.choices().title != opened.title
        watched.press(other)
        assert watched.watch.choices() is None


def test_n_silences_an_alarm_by_a_rule_that_is_written_down_and_u_takes_it_back(watched, file):
    watched.press("real", at=1000)
    watched.press("nothing", at=600)
    panel = watched.panel()
    assert panel.title == "what would silence it"
    by_name = {row.name: row.text for row in panel.rows}
    assert "keeps 1 of 1 that were real" in by_name["down only"]
    kinds = [entry.get("verdict") for entry in lines(file)]
    assert kinds == ["real", "nothing"]
    while watched.panel().rows[watched.panel().chosen].name != "down only":
        watched.press("down")
    watched.take()
    rule = lines(file)[-1]
    assert rule["rule"] == {"direction": "down"}
    watched.judge(1500, 10)
    assert "the rule holds now: down only; u takes it back" in console.newest_notice()
    watched.press("undo")
    watched.wait()
    assert lines(file) == [entry for entry in lines(file) if "rule" not in entry]
    later = points(1510, 100)
    later["value"][50] += 60.0
    (verdicts,) = watched.run.judge.judge(later)
    assert verdicts["is_anomaly"][50]
    watched.press("undo")
    assert console.newest_notice() == "there is no rule to take back"


def test_the_preview_of_a_rule_is_what_the_next_run_with_its_file_says(watched, file):
    watched.press("nothing", at=600)
    panel = watched.panel()
    names = [row.name for row in panel.rows]
    quiet = next(k for k, name in enumerate(names) if name.startswith("quiet daily"))
    for _ in range(quiet - panel.chosen):
        watched.press("down")
    after = watched.panel().marks
    watched.press("take")
    with run_of("--alarm-rate", "0.002", "--verdicts", str(file)) as again:
        (verdicts,) = again.judge.judge(points(0, 1500))
        assert again.options.quiet == (names[quiet].removeprefix("quiet "),)
        assert again.command.asked.alarm_rate == 0.002
    flagged = set(np.flatnonzero(verdicts["is_anomaly"]))
    assert flagged == set(after.kept_points) | set(after.new_points)
    assert not alarms_at(verdicts, (600, 600))


def test_m_says_what_would_have_caught_a_point_and_what_else_would_alarm(watched, file):
    watched.press("missed")  # the most unusual point of those in view
    panel = watched.panel()
    place = lines(file)[-1]["first"]
    assert lines(file)[-1]["verdict"] == "missed"
    assert panel.title == "what would have caught it"
    assert panel.rows[0].name.startswith("alarm rate")
    assert panel.rows[0].text.startswith("catches it, ")
    assert np.abs(np.concatenate((panel.marks.kept_points, panel.marks.new_points)) - place).min() <= 5


def test_keys_say_why_they_do_nothing(watched):
    watched.press("real", at=3)
    assert console.newest_notice() == "that point is in no alarm"
    watched.press("missed", at=1000)
    assert "that point is an alarm" in console.newest_notice()
    watched.press("missed", at=3)
    assert "there is no point in view that could have been missed" in console.newest_notice()


def test_a_file_that_is_none_ends_the_run_before_it_begins(file):
    file.write_text('{"stream": "simulated", "rule": {"direction": "left"}}\n', encoding="utf-8")
    with run_of() as run:
        words = str(run.source_id)
        file.write_text(json.dumps({"stream": words, "rule": {"direction": "left"}}), encoding="utf-8")
        command = run.command
        command.options.verdicts = file
        with pytest.raises(DetectorError, match=r"VERDICTS is .*: the rule .* direction is 'left'"):
            with_taken_rules(command, words)
        file.write_text("nonsense", encoding="utf-8")
        with pytest.raises(DetectorError, match="line 1 is no JSON object"):
            with_taken_rules(command, words)

from dataclasses import replace

import numpy as np
import pytest

from streamforest.detectors.z_score import ZScoreDetector
from streamforest.judging.rejudging import readings_of
from streamforest.judging.rules import Rules
from streamforest.program import cli
from streamforest.program.cases import CaseRefusedError, Cases
from streamforest.program.live_settings import LiveSettings, flags_of
from streamforest.program.state_copies import StateCopies
from streamforest.protocols import POINT_DTYPE, VERDICT_DTYPE
from streamforest.sinks.episode_end import EpisodeEndSink
from streamforest.verdicts.comparison import DetectorComparison
from streamforest.verdicts.history import History
from tests.chosen import run_of
from tests.servers import wait_until

START = 1714521600.0  # 2024-05-01T00:00:00Z


def points(n=4000, seed=3):
    rng = np.random.default_rng(seed)
    found = np.zeros(n, POINT_DTYPE)
    found["time"], found["label"] = START + 60.0 * np.arange(n), -1
    found["value"] = rng.normal(size=n)
    found["value"][rng.random(n) < 0.02] += 8
    found["value"][rng.random(n) < 0.02] -= 30
    return found


def judged(run, given, memory=None):
    """The verdicts of a run, block by block."""
    blocks = []
    for begin in range(0, len(given), 500):
        for block in run.judge.judge(given[begin : begin + 500]):
            blocks.append(block.copy())
            run.counts.add(block)
            if memory is not None:
                memory.write(block)
    return np.concatenate(blocks)


#: Options of a run, and what is changed of its settings.
CHANGES = {
    "rate": {"alarm_rate": 0.05},
    "direction": {"rules": Rules("up")},
    "deviation": {"rules": Rules(minimum_deviation=20.0)},
    "cool-down": {"rules": Rules(cool_down=50)},
    "a day": {"rules": Rules(alarms_a_day=3.0)},
    "quiet": {"quiet": ("daily 03:00-09:00",)},
}
IGNORE = ("--ignore", "daily 05:00-06:00")


def options_for(change):
    """The command line of a run with changed settings."""
    words = []
    if "alarm_rate" in change:
        words += ["--alarm-rate", str(change["alarm_rate"])]
    rules = change.get("rules", Rules())
    for name in ("direction", "minimum_deviation", "cool_down", "alarms_a_day"):
        if getattr(rules, name) != getattr(Rules(), name):
            words += [f"--{name.replace('_', '-')}", str(getattr(rules, name))]
    return words


@pytest.mark.parametrize("ignore", [(), IGNORE], ids=["all", "ignore"])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_preview_has_the_bits_of_a_rerun_with_these_settings(change, ignore, tmp_path):
    given = points()
    rules = tmp_path / "verdicts.jsonl"
    rerun_words = options_for(change)
    if "quiet" in change:
        rules.write_text('{"stream": "simulated", "rule": {"quiet": "daily 03:00-09:00"}}\n', encoding="utf-8")
        rerun_words += ["--verdicts", str(rules)]
    with run_of("--alarm-rate", "0.01", *ignore) as run:
        memory = History(10_000)
        if "quiet" in change:
            rules.write_text(rules.read_text(encoding="utf-8").replace('"simulated"', f'"{run.source_id}"'))
        shown = judged(run, given, memory)
        live = LiveSettings(run, memory, print)
        again = live.judge_again(live.present(), readings_of(memory.newest(10_000)))
        assert again.tobytes() == shown.tobytes()
        preview = live.judge_again(live.present()._replace(**change), readings_of(memory.newest(10_000)))
    words = ("--alarm-rate", "0.01", *rerun_words) if "alarm_rate" not in change else rerun_words
    with run_of(*words, *ignore) as rerun:
        assert preview.tobytes() == judged(rerun, given).tobytes()
    assert preview.tobytes() != shown.tobytes()


def taken(change, *options):
    """The verdicts of a run whose settings are changed in the middle, what it said, and its counts."""
    given, said = points(), []
    with run_of("--alarm-rate", "0.01", *options) as run:
        memory = History(10_000)
        run.judge.recall(memory.newest)
        before = judged(run, given[:2000], memory)
        live = LiveSettings(run, memory, said.append)
        wanted = live.present()._replace(**change)
        live.take(wanted)
        wait_until(lambda: switch_of(run)._ready is not None, 120)
        after = judged(run, given[2000:], memory)
        assert live.present() == wanted
        return before, after, said, run.counts


def switch_of(run):
    return getattr(run.judge, "_judge", run.judge)._switch


@pytest.mark.parametrize("name", ["direction", "deviation", "cool-down", "quiet"])
def test_rules_are_taken_over_on_the_same_state(name):
    given = points()
    before, after, said, _ = taken(CHANGES[name])
    with run_of("--alarm-rate", "0.01") as run:
        unchanged = judged(run, given)
    for field in ("score", "threshold", "p_value", "expected", "lower", "upper"):
        assert np.array_equal(np.concatenate((before, after))[field], unchanged[field], equal_nan=True)
    alarms = unchanged["is_anomaly"][2000:].sum()
    assert after["is_anomaly"].sum() == alarms if name == "cool-down" else 0 < after["is_anomaly"].sum() < alarms
    assert said == [f"these settings hold now{FLAGS[name]}"]


FLAGS = {
    "direction": "; to start with them: --direction up",
    "deviation": "; to start with them: --minimum-deviation 20",
    "cool-down": "; to start with them: --cool-down 50",
    "quiet": "; to start with them: ",
}


def test_all_that_follow_episodes_go_by_the_new_cool_down():
    given, lines = points(), []
    with run_of("--alarm-rate", "0.01", "--cool-down", "0") as run:
        memory = History(10_000)
        run.judge.recall(memory.newest)
        follower = EpisodeEndSink(lines.append, run.cool_down)
        follower.write(judged(run, given[:2000], memory))
        live = LiveSettings(run, memory, print)
        live.take(live.present()._replace(rules=Rules(cool_down=100)))
        wait_until(lambda: switch_of(run)._ready is not None, 120)
        before = len(lines)
        after = judged(run, given[2000:], memory)
        follower.write(after)
        follower.close()
    assert 0 < len(lines) - before <= len(set(after["episode"][after["is_anomaly"]])) + 1
    assert run.cool_down.points == 100


def test_another_rate_judges_on_as_a_run_that_had_it_over_all_that_is_kept(capfd):
    before, after, said, counts = taken(CHANGES["rate"])
    with run_of("--alarm-rate", "0.05") as run:
        whole = judged(run, points())
    for field in set(VERDICT_DTYPE.names) - {"episode"}:
        assert np.array_equal(after[field], whole[field][2000:], equal_nan=field not in ("is_anomaly", "reason"))
    assert said == ["these settings hold now; to start with them: --alarm-rate 0.05"]
    assert counts.alarm_rate == 0.05
    assert "z-score judges from point 2,000 on, having learnt the 2,000 points that are kept" in capfd.readouterr().err
    numbers = after["episode"][after["is_anomaly"]]
    assert numbers[0] > before["episode"].max() or numbers[0] == before["episode"].max()


def test_in_maintenance_windows_settings_are_taken_over_too():
    _, after, _, _ = taken(CHANGES["direction"], *IGNORE)
    flagged = after[after["is_anomaly"]]
    assert len(flagged)
    assert (flagged["value"] > flagged["expected"]).all()


def test_with_several_detectors_nothing_can_be_tried():
    with run_of() as run:
        several = replace(run, comparison=DetectorComparison(ZScoreDetector(), [ZScoreDetector()], 100))
        live = LiveSettings(several, History(100), print)
        with pytest.raises(ValueError, match="choose one detector"):
            live.what_if(print)


def test_the_options_that_make_settings_are_those_that_differ():
    with run_of() as run:
        own = LiveSettings(run, History(100), print).present()
    assert flags_of(own, own) == ""
    changed = own._replace(detector="matrix-profile", rules=Rules("down", cool_down=3))
    assert flags_of(own, changed) == "--detector matrix-profile --direction down --cool-down 3"


def test_a_case_file_holds_the_settings_that_were_taken_over_and_none_is_made_of_what_was_judged_before(
    tmp_path, capsys
):
    memory, copies = History(50_000), StateCopies(lambda: 0.0)
    given = points(6000)
    with run_of() as run:
        run.judge.keep_copies(copies)
        live = LiveSettings(run, memory, lambda _line: None)
        cases = Cases(run, memory, copies, live.options, lambda _index: b"a picture", lambda _line: None)
        judged(run, given[:3000], memory)
        before = memory.previous_anomaly(2900)
        live.take(live.present()._replace(rules=Rules("up")))
        wait_until(lambda: len(judged(run, given[3000:3500], memory)) and live.present().rules == Rules("up"))
        judged(run, given[3500:], memory)
        (tmp_path / "case.zip").write_bytes(cases.make(memory.end - 1))
        with pytest.raises(CaseRefusedError, match="not kept any more"):
            cases.make(before)
    assert cli.main(["replay", str(tmp_path / "case.zip"), "--format", "json"], "streamforest") == 0
    assert "spike" in capsys.readouterr().out

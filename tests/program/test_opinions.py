import json
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamforest.detectors.z_score import ZScoreDetector
from streamforest.judging.advice import Stretch
from streamforest.judging.rejudging import AlarmSettings, readings_of
from streamforest.judging.rules import Rules
from streamforest.program.opinions import MISSED, NOTHING, REAL, Opinions, rule_between, with_rules, without_rule
from streamforest.storage.verdict_file import VerdictFile

OWN = AlarmSettings("z-score", 0.001)


def verdicts(n=400, timed=True):
    values = np.random.default_rng(1).normal(size=n)
    values[300] = 50.0
    times = 1.7e9 + 60.5 * np.arange(n) if timed else np.full(n, np.nan)
    return ZScoreDetector(0.01).update_many(values, times)


@pytest.fixture(params=["file", "run"])
def opinions(request, tmp_path):
    file = VerdictFile(tmp_path / "verdicts.jsonl") if request.param == "file" else None
    return Opinions("pump.csv", file)


@pytest.mark.parametrize("timed", [True, False])
def test_what_was_said_to_be_real_is_found_again_among_the_readings(opinions, timed):
    rows = verdicts(timed=timed)
    opinions.say(REAL, rows[298:302])
    opinions.say(NOTHING, rows[10:11])
    opinions.say(MISSED, rows[20:21])
    said = opinions.entries()
    assert [entry["verdict"] for entry in said] == ["real", "nothing", "missed"]
    assert (said[0]["kind"], said[0]["value"], said[0]["first"], said[0]["note"]) == ("spike", 50.0, 298, "")
    assert opinions.said_to_be(REAL, readings_of(rows)) == [Stretch(298, 301)]
    later = rows[200:].copy()
    if timed:
        later["index"] -= 200  # another run, which began later
        assert opinions.said_to_be(REAL, readings_of(later)) == [Stretch(98, 101)]
    assert opinions.said_to_be(REAL, readings_of(rows[350:])) == []


def test_each_stream_has_its_own_lines(tmp_path):
    file = VerdictFile(tmp_path / "verdicts.jsonl")
    one, other = Opinions("a.csv", file), Opinions("b.csv", file)
    one.say(REAL, verdicts()[300:301])
    other.take(OWN, OWN._replace(alarm_rate=0.0005))
    assert [len(each.entries()) for each in (one, other)] == [1, 1]
    assert one.newest_rule() is None
    assert str(file.path) in one.where


def test_a_rule_is_written_down_and_withdrawn(opinions):
    changed = OWN._replace(rules=Rules("up", 3.5), quiet=("daily 02:00-03:00",))
    entry = opinions.take(OWN, changed)
    assert entry["rule"] == {"direction": "up", "minimum_deviation": 3.5, "quiet": "daily 02:00-03:00"}
    assert opinions.newest_rule() == entry
    assert with_rules(OWN, opinions.entries()) == changed
    assert opinions.withdraw(entry)
    assert not opinions.withdraw(entry)
    assert opinions.newest_rule() is None


rules = st.builds(
    Rules,
    st.sampled_from(("both", "up", "down")),
    st.floats(0, 1e9),
    st.floats(0, 1e3),
    st.none() | st.floats(0.001, 1000),
    st.integers(0, 1000),
)
quiet = st.sampled_from([(), ("daily 02:00-03:00",), ("Mon 12:00-13:00",)])


@given(rules, rules, st.floats(1e-6, 0.2), quiet)
def test_a_rule_makes_of_the_settings_before_those_after_also_as_json(before, after, rate, times):
    first = AlarmSettings("z-score", 0.001, before)
    for then in (first._replace(rules=after, alarm_rate=rate, quiet=times), first):
        rule = json.loads(json.dumps(rule_between(first, then)))
        assert with_rules(first, [{"stream": "a", "rule": rule}]) == then
    busy = first._replace(quiet=("Sun 01:00-02:00",))
    assert with_rules(busy, [{"rule": rule_between(busy, first)}]) == first


def test_a_rule_that_is_taken_back_leaves_what_was_changed_since():
    before = OWN._replace(quiet=("Sun 01:00-02:00",))
    ruled = before._replace(rules=Rules("up"), quiet=("Sun 01:00-02:00", "daily 02:00-03:00"))
    since = ruled._replace(alarm_rate=0.01, rules=Rules("up", cool_down=9))
    back = without_rule(since, before, rule_between(before, ruled))
    assert back == before._replace(alarm_rate=0.01, rules=Rules(cool_down=9))
    cleared = before._replace(quiet=(), alarm_rate=0.002)
    assert without_rule(cleared, before, rule_between(before, cleared)) == before


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("up", "is none"),
        ({"direction": "left"}, "allowed is both, up or down"),
        ({"direction": []}, "direction"),
        ({"alarm_rate": 3}, "allowed is 0.000001 to 0.2"),
        ({"alarm_rate": True}, "allowed is 0.000001 to 0.2"),
        ({"alarm_rate": "0.1"}, "allowed is 0.000001 to 0.2"),
        ({"cool_down": "many"}, "cool_down"),
        ({"cool_down": True}, "cool_down"),
        ({"minimum_deviation": None}, "minimum_deviation"),
        ({"quiet": "always"}, "no maintenance window"),
        ({"quiet": "/etc/passwd.ics"}, "it must be like"),
        ({"quiet": 7}, "it must be like"),
        ({"colour": "red"}, "there is no colour"),
    ],
)
def test_a_rule_that_is_none_is_named(rule, said):
    with pytest.raises(ValueError, match=said):
        with_rules(OWN, [{"stream": "a", "rule": rule}])


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(), lambda one: st.lists(one) | st.dictionaries(st.text(), one)
    )
)
def test_whatever_a_line_holds_is_taken_or_named(value):
    entry = {"stream": "a", "verdict": "real", "start": value, "end": value, "first": value, "last": value}
    rows = verdicts()[:30]
    opinions = Opinions("a", None)
    opinions._own = [entry]
    assert opinions.said_to_be(REAL, readings_of(rows)) == []
    with suppress(ValueError):
        with_rules(OWN, [{"rule": {"direction": value}}, {"rule": value}])

import random
import sys

import pytest

from benchmarks.hostile_lines import FIRST, FORGING, GOOD_EVERY, WAYS, WORDS, Hostile, attack, lines
from streamforest.models.model_file import save_model

PACKAGES = {"mqtt": "paho.mqtt.client", "kafka": "confluent_kafka"}


@pytest.mark.parametrize("has_times", [True, False])
def test_the_lines_are_the_same_for_the_same_seed_and_good_rows_stand_between(has_times):
    found = list(lines(Hostile(1, has_times), 1000))
    assert found == list(lines(Hostile(1, has_times), 1000))
    assert sum(good for _, good in found) == FIRST + 1000 // GOOD_EVERY
    assert not any(b"\n" in line for line, _ in found)
    assert len({line for line, _ in found}) > 600


def test_what_forges_is_found_and_what_people_read_is_not():
    assert all(
        map(FORGING.search, [b"\x1b[31m", "\x9b1m".encode(), "\u202e".encode(), "\u2028".encode(), b"\x00", b"\r"])
    )
    assert not FORGING.search("refused line 5: '\\x1b' \u25b2 \u00e9 \u2026\n\tnext".encode())
    assert any(FORGING.search(word) for word in random.Random(1).sample(WORDS, len(WORDS)))


@pytest.mark.skipif(sys.platform != "linux", reason="looks at memory through /proc: Linux")
@pytest.mark.parametrize("way", WAYS)
def test_no_way_in_is_broken_by_hostile_lines_and_all_good_rows_are_judged(way, model, tmp_path):
    if way in PACKAGES:
        pytest.importorskip(PACKAGES[way])
    options = ("--detector", "z-score")
    if "many" in way:  # are judged by the default detector
        save_model(model, tmp_path / "forest.joblib")
        options = ("--model", str(tmp_path / "forest.joblib"))
    try:
        outcome = attack(way, 60 if way == "prometheus" else 1500, 3, *options)
    except ImportError as error:
        pytest.skip(str(error))
    assert outcome.wrong == ""
    assert outcome.judged == outcome.good >= FIRST

import random
import re

import numpy as np
import pytest

from benchmarks import hostile_checkpoints
from benchmarks.hostile_checkpoints import forged, main
from streamforest.state import packed
from streamforest.storage.checkpoint import Saved


@pytest.mark.skipif(not hasattr(hostile_checkpoints.os, "fork"), reason="needs fork")
def test_16_forged_checkpoints_do_no_harm(capsys):
    runs = (
        hostile_checkpoints.LOGGED,
        "text, keyed, counter",
        "z-score",
        "z-score, simulated server",
    )  # quick to begin
    code = main([*runs, "--count", "16", "--seed", "1"])
    said = capsys.readouterr().out
    assert code == 0, said
    assert re.search(r"^16 forged checkpoints in \d+ s: 0 did harm$", said, re.MULTILINE)


def test_a_forgery_changes_one_thing_and_the_same_seed_makes_the_same():
    records = np.zeros(2, [("inner", [("at", "i8"), ("x", "f8", (3,))])])
    saved = Saved({}, {"facts": packed([1, {"a": [2.0]}]), "records": records, "plain": np.zeros(4)})
    made = {}
    for number in range(60):
        what, content = forged(saved, random.Random(number))
        assert [name for name, array in content.state.items() if array.tobytes() != saved.state[name].tobytes()] or (
            " = 0" in what
        )
        assert forged(saved, random.Random(number))[0] == what
        made[what.partition(" ")[0]] = content
    assert {"facts[0]", "records.inner.at", "records.inner.x", "plain"} <= set(made)

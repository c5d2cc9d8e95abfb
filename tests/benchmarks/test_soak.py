import sys
from pathlib import Path

import pytest

from benchmarks.soak import PARTS, Part, Sample, holds, parts, soak, table

needs_proc = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc: Linux")


def samples(memory=lambda _: 100.0, files=lambda _: 6):
    return [Sample(100 * k, 0.5 * k, memory(k), files(k), 3) for k in range(1, 101)]


def test_a_part_is_a_tenth_of_the_run_with_its_cost_a_point():
    found = parts(samples(float), 10_000)
    assert len(found) == PARTS
    assert found[0].memory == 5
    assert found[1].memory == 14.5
    assert found[1].files == 6
    assert [part.cost for part in found] == pytest.approx([5000.0] * PARTS)


def test_too_few_looks_are_an_error():
    with pytest.raises(ValueError, match="look more often"):
        parts(samples()[:50], 10_000)


def test_growth_after_the_warm_up_is_found():
    assert holds(parts(samples(), 10_000))
    assert holds(parts(samples(lambda k: 200.0 if k < 15 else 200.9), 10_000))
    assert not holds(parts(samples(lambda k: 100 + k / 50), 10_000))
    assert not holds(parts(samples(files=lambda k: 6 + k // 90), 10_000))


@needs_proc
def test_a_short_run_of_the_whole_program_grows_by_nothing():
    found = soak("none", 600_000, 0.02, ["--detector", "z-score"])
    print(table(found), file=sys.stderr)
    assert holds(found)
    assert all(isinstance(part, Part) and 0 < part.cost < 100 for part in found)

import pytest

from benchmarks.checkpoints import RATE, command, kept, to_the_end, write_rows


@pytest.mark.parametrize("took", ["0.192 s", "1 min 55 s"])
def test_the_rate_is_read_however_long_the_run_was(took):
    said = f"in.csv: value 'value'\n    points  18,000,000 in {took}, 157,033 a second\n   streams  100,000\n"
    assert RATE.search(said).groups() == ("18,000,000", "157,033")


def test_a_run_with_checkpoints_comes_to_its_end_and_keeps_the_newest_two(tmp_path):
    write_rows(tmp_path / "in.csv", 20, 999)
    assert (tmp_path / "in.csv").read_text().count("\n") == 1001
    run = to_the_end([*command(tmp_path / "in.csv"), *kept(tmp_path)])
    assert run.rate > 0
    assert run.cost > 0
    assert "streams  20\n" in run.said
    assert {"state", "state.1"} <= {path.name for path in tmp_path.iterdir()}

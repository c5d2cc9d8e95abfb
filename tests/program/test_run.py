import pytest

from streamforest.program.description import Command
from streamforest.program.loop import Loop
from streamforest.program.run import DONE, FAILED, run
from tests.chosen import options_of

QUIET = ("--detector", "z-score", "--delay", "0", "--no-visualization", "--format", "quiet", "--log", "none")


def command(*words):
    options = options_of(*words, *QUIET)
    options.compare = None
    return Command("main.py", words, options)


@pytest.fixture(autouse=True)
def handlers():
    """A run takes the signals over; give them back."""
    import signal  # noqa: PLC0415

    before = [(name, signal.getsignal(name)) for name in (signal.SIGINT, signal.SIGTERM)]
    yield
    for name, handler in before:
        signal.signal(name, handler)


def test_the_loop_that_was_given_judges_and_the_run_is_summed_up(capsys):
    loops = []

    def judge_all(loop):
        loops.append(loop)
        loop.run()

    assert run(command("--max-points", "50"), judge_all) == DONE
    assert len(loops) == 1
    assert "    points  50 in " in capsys.readouterr().err


def test_a_source_that_breaks_ends_with_1_and_is_named_behind_the_programs_name(capsys, tmp_path):
    (tmp_path / "words.csv").write_text("value,other\n" + "x,1\n" * 200, encoding="utf-8")
    assert run(command(str(tmp_path / "words.csv")), Loop.run) == FAILED
    assert "main.py: words.csv: the first 100 readings were all refused" in capsys.readouterr().err

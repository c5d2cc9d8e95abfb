from streamforest.program.summary import writer
from tests.chosen import run_of


def made(*arguments):
    """What writes the summary of a run of the z-score, with the sinks that it needs."""
    with run_of("--seed", "1", *arguments) as run:
        return writer.make_summary(run, None)


def test_without_a_path_nothing_is_written_and_no_sink_is_needed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write, sinks = made()
    write("")
    assert sinks == []
    assert list(tmp_path.iterdir()) == []


def test_the_page_tells_the_command_and_what_broke_the_run(tmp_path, capsys):
    write, sinks = made("--summary", str(tmp_path / "page.html"))
    assert [sink.name for sink in sinks] == ["history", "rates asked for and got", "recent episodes"]
    write("the disk was full")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "failed: the disk was full" in page
    assert "python main.py --detector z-score --seed 1 --summary" in page
    assert capsys.readouterr().err.startswith("summary written: ")


def test_a_place_that_cannot_be_written_is_told_before_the_run(tmp_path, capsys):
    write, sinks = made("--summary", str(tmp_path / "gone" / "page.html"))
    write("")
    assert sinks == []
    assert capsys.readouterr().err.startswith("no summary, the run goes on without it: ")


def test_a_summary_that_memory_does_not_suffice_for_is_left_out_and_told(tmp_path, capsys, monkeypatch):
    def too_large(*_):
        raise MemoryError

    monkeypatch.setattr("streamforest.program.summary.page.summary_page", too_large)
    write, _ = made("--summary", str(tmp_path / "page.html"))
    write("")
    assert capsys.readouterr().err == (f"no summary: {tmp_path / 'page.html'}: there is not enough memory for it\n")

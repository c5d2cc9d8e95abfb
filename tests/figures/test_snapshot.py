import errno
import os
import subprocess
import sys
import textwrap
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from streamforest.figures.snapshot import save_snapshot
from streamforest.figures.stream_figure import StreamFigure
from streamforest.figures.themes import THEMES
from streamforest.protocols import VERDICT_DTYPE, Status
from streamforest.verdicts.history import History

NOW = datetime(2026, 3, 4, 5, 6, 7)
STATUS = Status("pump.csv", "forest", ("forest",), 300, 0, 0, 1, 1, 9.5, 0.001, 0.003, None, None, 1.0)


def history():
    rows = np.zeros(300, VERDICT_DTYPE)
    rows["index"] = np.arange(300)
    rows["time"] = np.nan
    rows["value"] = np.sin(rows["index"] / 20)
    rows["score"], rows["threshold"] = 0.4, 0.6
    rows["value"][200], rows["is_anomaly"][200], rows["episode"][200] = 4.0, True, 1
    kept = History()
    kept.write(rows)
    return kept


def watched(kept=None, **options):
    return StreamFigure(kept or history(), lambda: STATUS, **options)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(("size", "dpi"), [((12.8, 8.0), 100), ((6.4, 4.0), 100), ((12.8, 8.0), 200)])
def test_a_snapshot_has_the_size_the_marks_and_the_facts(tmp_path, theme, size, dpi):
    facts = {"Source": "pump.csv", "Seed": "7"}
    view = watched(theme=theme, size=size, dpi=dpi)
    path = save_snapshot(view, tmp_path, NOW, facts)
    assert path.name == "anomaly_graph_2026-03-04-05-06-07.png"
    with Image.open(path) as image:
        image.load()
        assert image.size == (round(size[0] * dpi), round(size[1] * dpi))
        assert facts.items() <= image.text.items()
        assert image.text["Range of points"] == "0 to 299"
        picture = np.asarray(image.convert("RGB")).astype(int)
    drawn = view.picture()
    x, y = drawn.stream.axes.transData.transform((200, 4.0))
    spot = picture[round(size[1] * dpi - y), round(x)]
    wanted = [int(THEMES[theme].anomaly[k : k + 2], 16) for k in (1, 3, 5)]
    assert np.abs(spot - wanted).max() < 12
    header = picture[: round(0.085 * len(picture))]
    assert len(np.unique(header.reshape(-1, 3), axis=0)) > 10  # the counts are in it


def test_two_snapshots_in_one_second_have_two_names(tmp_path):
    names = [save_snapshot(watched(), tmp_path / "new" / "folder", NOW, {}).name for _ in range(3)]
    assert names == [f"anomaly_graph_2026-03-04-05-06-07{end}.png" for end in ("", "-2", "-3")]
    assert sorted(p.name for p in (tmp_path / "new" / "folder").iterdir()) == sorted(names)


def test_a_file_system_without_links_keeps_every_picture_too(tmp_path, monkeypatch):
    def no_links(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    first, second = (save_snapshot(watched(), tmp_path, NOW, {}) for _ in range(2))
    assert second.name.endswith("-2.png")
    assert len(list(tmp_path.iterdir())) == 2
    assert first.read_bytes() == second.read_bytes()


def test_saving_does_not_touch_the_live_canvas_and_shows_what_it_shows(tmp_path):
    view = watched()
    view.refresh()
    before = np.asarray(view.figure.canvas.buffer_rgba()).copy()
    with Image.open(save_snapshot(view, tmp_path, NOW, {})) as image:
        picture = np.asarray(image)
    assert np.array_equal(before, np.asarray(view.figure.canvas.buffer_rgba()))
    assert np.array_equal(before, picture)
    assert not view.refresh()


def test_a_paused_view_is_saved_as_it_stands(tmp_path):
    kept = history()
    view = watched(kept)
    view.refresh()
    view.command("last-anomaly")
    view.refresh()
    kept.write(kept.newest(50))
    path = save_snapshot(view, tmp_path, NOW, {})
    with Image.open(path) as image:
        assert image.text["Range of points"] == "0 to 299"
        picture = np.asarray(image)
    live = np.asarray(view.figure.canvas.buffer_rgba())
    assert np.array_equal(picture[120:], live[120:])


def test_a_bare_figure_can_be_saved(tmp_path):
    with Image.open(save_snapshot(Figure((2, 1), dpi=100), tmp_path, NOW, {})) as image:
        assert image.size == (200, 100)


def test_a_folder_that_is_a_file_is_a_clear_error(tmp_path):
    (tmp_path / "taken").write_text("x")
    with pytest.raises(OSError, match=r"cannot save a picture in .*taken"):
        save_snapshot(watched(), tmp_path / "taken", NOW, {})


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of a file's size")
def test_a_full_disk_leaves_no_file_and_a_clear_error(tmp_path):
    script = f"""
        import resource, signal
        from datetime import datetime
        from pathlib import Path
        from matplotlib.figure import Figure
        from streamforest.figures.snapshot import save_snapshot
        figure = Figure((12.8, 8.0), dpi=100)
        figure.add_subplot().plot(range(1000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
        try:
            save_snapshot(figure, Path({str(tmp_path)!r}), datetime(2026, 3, 4), {{}})
        except OSError as error:
            print(error)
    """
    root = Path(__file__).parents[2]
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], cwd=root, capture_output=True, text=True, check=False
    )
    assert run.stdout.startswith(f"cannot save a picture in {tmp_path}: "), run.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="rights are set otherwise")
def test_a_snapshot_has_the_rights_of_any_new_file(tmp_path):
    plain = tmp_path / "plain"
    plain.touch()
    assert save_snapshot(Figure((1, 1)), tmp_path, NOW, {}).stat().st_mode == plain.stat().st_mode

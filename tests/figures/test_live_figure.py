import numpy as np
import pytest

from streamforest.figures.choice import FIGURES, figure_of
from streamforest.figures.live_figure import HELP_WIDTH, NOTICE_SECONDS
from streamforest.figures.navigation import COMMANDS
from streamforest.figures.stream_figure import StreamFigure
from streamforest.protocols import STREAM_VERDICT_DTYPE
from streamforest.stream_names import StreamNames
from streamforest.verdicts.history import History
from streamforest.verdicts.ranking import StreamRanking
from tests.pictures import pixels, status, stream
from tests.pictures import shown as stream_view


def memory_of(name):
    """Something to draw, for the figure of each kind of memory."""
    if name == History.name:
        memory = History(1000)
        memory.write(stream(300))
        return memory
    names = StreamNames()
    memory = StreamRanking(names)
    rows = np.zeros(300, STREAM_VERDICT_DTYPE)
    rows["stream"] = names.numbers_of(["pump"])[0]
    for field in stream(300).dtype.names:
        rows[field] = stream(300)[field]
    memory.write(rows)
    return memory


@pytest.fixture(params=FIGURES)
def figure(request):
    made = figure_of(memory_of(request.param), status, size=(6.4, 4.0))
    made.refresh()
    return made


def test_help_lists_every_key_and_goes_again(figure):
    figure.command("help")
    assert figure.refresh()
    assert figure.keys.get_text() == figure.HELP
    assert {line.split("  ")[0] for line in figure.HELP.splitlines()} >= {"q", "space", "h", "Esc", "Ctrl+C"}
    figure.command("help")
    figure.refresh()
    assert figure.keys.get_text() == ""


def test_help_says_how_the_source_is_understood(figure, monkeypatch):
    words = "value 'Leistung' in kW; time 'Zeit' (day.month.year, Europe/Vienna); ';' between cells; decimal comma"
    monkeypatch.setattr(figure, "_numbers", figure._numbers._replace(understood=words))
    monkeypatch.setattr(figure, "_status", lambda: figure._numbers)
    figure.command("help")
    figure.refresh()
    keys, _, below = figure.keys.get_text().partition("\n\n")
    assert keys == figure.HELP
    assert " ".join(below.splitlines()) == words
    assert max(map(len, below.splitlines())) <= HELP_WIDTH


def test_every_command_is_taken_and_no_other(figure):
    for command in COMMANDS:
        figure.command(command)
    with pytest.raises(ValueError, match="command is 'jump'"):
        figure.command("jump")


def test_the_header_is_the_first_on_the_figure_where_views_cut_it(figure):
    assert figure.figure.axes[0] is figure.header.axes
    assert figure.header.name.get_text().endswith("forest")
    assert figure.header.state.get_text() == "live   h: keys"


def test_a_picture_is_another_figure_of_the_same_view(figure):
    figure.command("pause")
    figure.refresh()
    other = figure.picture()
    assert type(other) is type(figure)
    assert other.figure is not figure.figure
    assert other.visible == figure.visible
    assert other.theme == figure.theme
    other.refresh()
    assert pixels(other).shape == pixels(figure).shape


def test_a_point_is_shown_by_itself_only_where_it_can_be(figure):
    assert figure.show(5) == (figure.HELP == figure_of(memory_of("history"), status).HELP)
    figure.select(None)
    figure.show_all()
    assert figure.visible == (0, 299)


def test_what_the_run_says_and_what_a_key_answers_is_shown_for_some_seconds(monkeypatch, figure):
    now = [1e9]
    said = [""]
    monkeypatch.setattr(figure, "_clock", lambda: now[0])
    monkeypatch.setattr(figure, "_status", lambda: status(notice=said[0], streams=1))

    def shown():
        now[0] += 1.5
        figure.refresh()
        return figure.notice.get_text()

    said[0] = "picture saved: a.png"
    assert shown() == ""  # a figure that nobody looks at, such as that of a saved picture
    figure.shows_notices = True
    assert shown() == "picture saved: a.png"
    assert figure.picture().notice.get_text() == ""
    figure.tell("no later anomaly")
    assert shown() == "no later anomaly"
    said[0] = "forest goes on judging: no weights"  # newer
    assert shown() == "forest goes on judging: no weights"
    said[0] = ""
    assert shown() == ""
    figure.tell("no later anomaly")
    assert shown() == "no later anomaly"
    now[0] += 3 * NOTICE_SECONDS
    assert shown() == ""


def test_what_the_run_said_before_the_figure_was_there_does_not_take_the_place_of_the_first_hints():
    history = History(500)
    history.write(stream(300))
    view = StreamFigure(history, lambda: status(notice="view: a window, by Tk"), clock=lambda: 0.0)
    view.shows_notices = True
    view.tell("h shows all keys", 10.0)
    view.refresh()
    assert view.notice.get_text() == "h shows all keys"


@pytest.mark.parametrize("size", [(12.8, 8.0), (6.4, 4.8)])
def test_a_long_line_is_cut_in_its_middle_and_stays_inside_and_clear_of_the_date(size):
    long = "picture saved: " + "/a-long-folder" * 30 + "/anomaly_graph_2026-01-01-00-00-00.png"
    _, view = stream_view(stream(470), lambda: status(notice=long), size=size)
    view.shows_notices = True
    view.command("pause")
    view.refresh()
    assert view.notice.get_text().startswith("picture saved: /a-long")
    assert view.notice.get_text().endswith("2026-01-01-00-00-00.png")
    box = view.notice.get_window_extent()
    assert 0 <= box.x0 < box.x1 < view.x_axis.date.get_window_extent().x0
    assert box.y0 >= 0
    assert box.y1 <= min(text.get_window_extent().y0 for text in view.x_axis.labels if text.get_visible()) + 1

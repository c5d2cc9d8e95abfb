import pytest

from streamforest.figures.side_panel import WIDTH
from tests.pictures import shown, stream


@pytest.mark.parametrize(("size", "dpi"), [((12.8, 8.0), 100), ((6.67, 5.0), 96), ((13.33, 7.5), 192)])
def test_what_stands_beside_the_panels_is_inside_the_figure_and_measured_in_lines_of_text(size, dpi):
    _, view = shown(stream(3_000), size=size, dpi=dpi)
    view.command("episodes")
    view.refresh()
    listed = view.episode_list
    box, whole = listed.axes.bbox, view.figure.bbox
    assert view.stream.axes.bbox.x1 < box.x0 < box.x1 <= whole.x1
    line = float(listed.more.get_fontsize()) / 0.92 / 72 * dpi
    assert box.width == pytest.approx(WIDTH * line)
    assert -float(listed.axes.get_ylim()[0]) == pytest.approx(box.height / line)
    view.command("episodes")
    view.refresh()
    assert not listed.axes.get_visible()
    assert not any(text.get_visible() for row in listed.rows for text in row)

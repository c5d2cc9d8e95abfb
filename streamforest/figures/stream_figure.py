"""The figure of the live view: the stream above, score and threshold below, for any canvas that hosts it."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from matplotlib.backend_bases import Event, LocationEvent, MouseEvent
from matplotlib.ticker import MaxNLocator

from streamforest.figures.axes import StreamAxis
from streamforest.figures.choice_panel import STRIP, ChoicePanel, TrialStrip
from streamforest.figures.episode_list import EpisodeList
from streamforest.figures.header import HEADER_LINES, TOP_LINES, state_text
from streamforest.figures.layers import FRAME, HEADER, NOTHING_NEW, POINTER, STREAM
from streamforest.figures.live_figure import LiveFigure
from streamforest.figures.mouse import Mouse
from streamforest.figures.navigation import Navigation
from streamforest.figures.news import StreamNews
from streamforest.figures.panels import InView, OthersPanel, Panel, ScorePanel, StreamPanel
from streamforest.figures.point_note import PointNote
from streamforest.figures.ranges import extremes, usual_range
from streamforest.figures.side_panel import WIDTH
from streamforest.figures.text_parts import no_forecast_text
from streamforest.figures.themes import is_wide, text_size
from streamforest.protocols import NORMAL, Verdict, Verdicts
from streamforest.verdicts.history import History
from streamforest.verdicts.panel import Panel as Choices

HEADER_SECONDS = 0.25  # text is dear to draw and nobody reads faster
LIST_GAP = 1.6  # between the panels and the list of episodes, in lines of text
DATE_SPACE = 9.0  # sizes of the text that the date below the panels takes
ROW_OF_OTHERS = 2.3  # lines of text: the name of a detector that judges along, and its marks below it

#: What is said where a command goes nowhere.
STEPS = {
    "last-anomaly": "there was no alarm yet",
    "previous-anomaly": "no earlier alarm is kept",
    "next-anomaly": "there is no later alarm yet",
}

HELP = """q        save a picture
space    pause the view, go on
← →      back and forth
+ -      zoom in, zoom out (or the wheel)
g        newest alarm, then the one before
, .      previous alarm, next alarm
e        show or hide the episodes
f        what is expected next
i        alarms asked for and got
w        what other settings would change
t        what would be caught, of which size
n y m    alarm was nothing, real, missed
u        take the newest rule back
d        next detector
r        write the report
c        write a case file of this alarm
h        show or hide this
Esc      close what is open, then the picture
Ctrl+C   stop the run
mouse    a click holds the numbers of a point,
         dragging moves, a double click goes live"""


class StreamFigure(LiveFigure[History]):
    """The figure of one stream; parameters and methods are those of :class:`LiveFigure`.

    Attributes
    ----------
    navigation : Navigation
        The stretch of the stream in view.
    stream, scores : StreamPanel, ScorePanel
        The panels.
    others : OthersPanel or None
        The strip of the detectors that judge along; None where none does.
    x_axis : StreamAxis
        The axis below the panels.
    episode_list : EpisodeList
        The list beside the panels.
    choice_panel : ChoicePanel
        What stands in its place while there is something to choose.
    trial : TrialStrip
        The strip of marks that a choice would make.
    selected, pointed : PointNote
        The point that was selected, and the one that the mouse points at.

    Notes
    -----
    What is drawn lies in layers, each kept as pixels: frame and y axes; x axis; header; the stream; what the mouse
    points at. A frame draws the lowest layer that changed and those above it.
    """

    HELP = HELP
    MOST_COUNTERS = 8
    DRAWS_BY_LAYER = True
    navigation: Navigation
    _drawn: tuple[Any, ...]
    _ahead: Verdicts
    _looked: tuple[bool, int, int]
    _mouse: Mouse | None
    _panel: Choices | None
    _sliding: int | None  # number of the row whose slider the mouse holds

    # Commands

    @property
    def visible(self) -> tuple[int, int]:
        """Stream indices of the first and last point in view; (0, -1) where there is none."""
        return self._points.visible

    @property
    def paused(self) -> bool:
        """Whether the view stands still."""
        return self.navigation.paused

    def _navigate(self, name: str) -> None:
        """Carry out a command; "last-anomaly", given again, goes on to the episode before."""
        before = self.navigation.selected
        self.navigation.command(name)
        if name == "episodes":
            self.episode_list.is_shown = not self.episode_list.is_shown
            self._arrange()
        if name in STEPS and self.navigation.selected == (before if name != "last-anomaly" else None):
            self._answer(STEPS[name])
        if self._mouse is not None:
            self._mouse.place = None  # it may cover what was asked for; it points again once it moves

    def follow_mouse(self) -> None:
        """Heed the mouse on the canvas from now on."""
        self._mouse = Mouse(self.navigation, [panel.axes for panel in self._panels], self.select, self._click)
        self._mouse.connect(self.figure.canvas)
        self.figure.canvas.mpl_connect("motion_notify_event", self._slide)
        self.figure.canvas.mpl_connect("button_release_event", self._let_go)

    def _answer(self, text: str) -> None:
        """Say at once why nothing was done."""
        self.tell(text)
        self._header_due = float("-inf")

    def _click(self, event: MouseEvent) -> bool:
        """Go to the episode that was clicked at, move a slider, or show and hide a layer; whether one was there."""
        if self.choice_panel.is_shown:
            return self._click_choice(event)
        for panel in self._panels:
            if key := panel.key_at(event.x, event.y):
                self._hide(panel.hidden ^ {key})
                return True
        if not self.episode_list.is_shown or not self.episode_list.axes.bbox.contains(event.x, event.y):
            return False
        episode = self.episode_list.episode_at(event.y)
        if episode is not None and not self.navigation.go_to(episode.peak.index):
            self._answer("the points of that episode are not kept any more")
        return True

    def _click_choice(self, event: MouseEvent) -> bool:
        """Take hold of the slider that was clicked at; whether the click was in the panel."""
        if not self.choice_panel.axes.bbox.contains(event.x, event.y):
            return False
        self._sliding = self.choice_panel.row_at(event.y)
        self._slide(event)
        return True

    def _slide(self, event: Event) -> None:
        """Put the slider that the mouse holds to where it is."""
        assert isinstance(event, LocationEvent)
        choices = self.choices()
        if self._sliding is not None and choices is not None:
            choices.set_share(self._sliding, self.choice_panel.share_at(event.x))

    def _let_go(self, _event: Event) -> None:
        self._sliding = None

    def _hide(self, hidden: set[str]) -> None:
        """Show all layers but some, in all panels."""
        for panel in self._panels:
            panel.hide(hidden)
        self._arrange()

    def select(self, x_data: float | None) -> None:
        """Show the numbers of the point nearest to a place on the x axis (a stream index); None hides them."""
        offset = None if x_data is None else self._points.nearest(x_data)
        self.navigation.selected = None if offset is None else self._points.first + offset

    def show(self, index: int) -> bool:
        """Hold the view around a point, by its stream index, and show its numbers; False where it is not kept."""
        return self.navigation.show(index)

    def show_all(self) -> None:
        """Hold the view on all that is kept."""
        self.navigation.show_all()

    # Drawing

    def refresh(self) -> bool:
        """Bring the figure up to date with the history and draw what changed.

        Returns
        -------
        bool
            Whether anything was drawn.
        """
        navigation = self.navigation
        navigation.advance(self._numbers.points_per_second)
        self._follow_choices()
        version = None if self._panel is None else self._panel.version
        self._follow_ahead()
        shown = (navigation.kept.end, navigation.view, navigation.selected, self._help_text(), self.paused)
        state = (*shown, version, len(self._ahead))
        if self._layers.lowest <= STREAM or state != self._drawn:
            self._layers.touch(STREAM)
            self._update_stream()
        self._update_header()
        self._update_pointed()
        if self._layers.lowest == NOTHING_NEW:
            return False
        self._drawn = state
        self._layers.draw(self._arrange)
        return True

    def _follow_ahead(self) -> None:
        """See what is expected next, where that is wanted and a point came since; a view that stands still keeps it."""
        navigation = self.navigation
        seen = (navigation.looks_ahead, navigation.kept.end, navigation.view.right)
        if not navigation.looks_ahead or (not navigation.paused and (seen != self._looked or not len(self._ahead))):
            self._ahead, self._looked = navigation.ahead_in_view(), seen
            if navigation.looks_ahead and not len(self._ahead):
                self.tell(no_forecast_text(), 2 * HEADER_SECONDS)

    def _follow_choices(self) -> None:
        """Show the panel of choices as it stands, or none."""
        choices = self.choices()
        self._panel = None if choices is None else choices.panel()
        tries = self._panel is not None and self._panel.has_choice
        if (self._panel is not None, tries) != (self.choice_panel.is_shown, self.trial.is_shown):
            self.choice_panel.is_shown = self._panel is not None
            self.trial.axes.set_visible(tries)
            self._arrange()
        if self._panel is not None:
            self.choice_panel.write(self._panel)

    def _look_as(self, other: Self) -> None:
        self.navigation = other.navigation.twin()
        self._ahead = other._ahead
        self.episode_list.is_shown = other.episode_list.is_shown
        self._hide(other.stream.hidden)

    # Building: once

    def _build(self) -> None:
        add, layers, theme = self.figure.add_axes, self._layers, self._theme
        self.navigation = Navigation(self._memory)
        self._ahead, self._looked = self._memory.newest(0), (False, 0, 0)
        self._news = StreamNews(self._memory)
        self._header_due = 0.0
        self._header_shows: tuple[bool, int | None] = (False, None)
        self._drawn = ()
        self._labelled = False
        self._mouse = None
        self._sliding = None
        self._pointed_index: int | None = None
        self.stream = StreamPanel(add((0.1, 0.4, 0.8, 0.4)), layers, theme)
        self.scores = ScorePanel(add((0.1, 0.1, 0.8, 0.2)), layers, theme)
        marks = self._memory.marks
        self.others = None if marks is None else OthersPanel(add((0.1, 0.3, 0.8, 0.1)), layers, theme, marks)
        self.trial = TrialStrip(add((0, 0, 1e-3, 1e-3)), layers, theme)
        self._panel = None
        others = [] if self.others is None else [self.others]
        self._panels: list[Panel] = [self.stream, self.scores, self.trial, *others]
        axes = [panel.axes for panel in self._panels]
        self.x_axis = StreamAxis(self.figure, axes, self.scores.axes, layers, theme)
        self.episode_list = EpisodeList(self.figure, layers, theme)
        self.choice_panel = ChoicePanel(self.figure, layers, theme)
        self.selected = PointNote(axes, layers, theme, STREAM)
        self.pointed = PointNote(axes, layers, theme, POINTER)
        self.keys = self._keys_on(self.stream.axes)
        self.stream.axes.set_zorder(1)
        layers.sort(last=self.stream.axes)
        self._points = InView(self._memory.newest(0), self.navigation.view, self.stream.axes)
        self._arrange()

    def _resize(self) -> None:
        self._arrange()

    # Arranging: at each change of size

    def _arrange(self) -> None:
        """Place the panels: margins are lengths, not shares, so that text fits at any size."""
        width, height = (float(n) for n in self.figure.get_size_inches())
        line = text_size(self.figure) / 72
        left, right = self._left_margin(line), line * (1.6 + 0.64 * min(self.stream.letters_of_newest, 16))
        top, gap, bottom = TOP_LINES * line, 2.9 * line, 3.3 * line
        strip = 0.0 if self.others is None else ROW_OF_OTHERS * line * len(self.others.names)
        tried = STRIP * line if self.trial.is_shown else 0.0
        between = gap + sum(high + gap for high in (strip, tried) if high)
        panels = max(height - top - between - bottom, 0.2)
        upper, lower = panels * 2.2 / 3.2, panels / 3.2
        has_list = self.episode_list.is_shown or self.choice_panel.is_shown
        beside = (WIDTH + LIST_GAP) * line if has_list else 0.0
        across = max(width - left - right - beside, 0.2) / width
        stream, scores = self.stream.axes, self.scores.axes
        stream.set_position((left / width, (bottom + lower + between) / height, across, upper / height))
        if self.others is not None:
            self.others.axes.set_position((left / width, (bottom + lower + gap) / height, across, strip / height))
        if self.trial.is_shown:
            above = (bottom + lower + gap + (strip + gap if strip else 0.0)) / height
            self.trial.axes.set_position((left / width, above, across, tried / height))
        scores.set_position((left / width, bottom / height, across, lower / height))
        tall = HEADER_LINES * line / height
        self.header.axes.set_position((left / width, 1 - tall, (width - left - 1.9 * line) / width, tall))
        stream.yaxis.set_major_locator(MaxNLocator(max(3, min(7, int(upper / 0.5))), steps=[1, 2, 5, 10]))
        scores.yaxis.set_major_locator(MaxNLocator(max(2, min(4, int(lower / 0.4))), steps=[1, 2, 5, 10]))
        body = panels + between + 1.6 * line
        self.choice_panel.place(width - (WIDTH + 1.9) * line, bottom, body, line, (width, height))
        self._place_list(width - (WIDTH + 1.9) * line, bottom, body, line, (width, height))
        self._place_notice(left, right + beside + DATE_SPACE * line, line)
        self._size_text()
        self._layers.touch(FRAME)

    def _place_list(self, *place: Any) -> None:
        """Place the list of episodes; while there is something to choose, it is not there."""
        wanted = self.episode_list.is_shown
        self.episode_list.is_shown = wanted and not self.choice_panel.is_shown
        self.episode_list.place(*place)
        self.episode_list.is_shown = wanted

    def _left_margin(self, line: float) -> float:
        """Width that the longest y label needs, in inches."""
        longest = max(4, self.stream.longest_label, self.scores.longest_label)
        return line * (1.9 + 0.64 * min(longest, 16))

    def _size_text(self) -> None:
        size = text_size(self.figure)
        self.header.resize(size)
        self.x_axis.resize(size)
        self.stream.resize(size, self._labelled)
        self.scores.resize(size)
        self.trial.resize(size)
        if self.others is not None:
            self.others.resize(size)
        for text in (self.selected, self.pointed):
            text.resize(size)
        self.keys.set_fontsize(size)

    # Updating: at each frame

    def _update(self) -> None:
        self.navigation.advance(self._numbers.points_per_second)
        self._update_stream()
        self._update_header()

    def _update_stream(self) -> None:
        navigation = self.navigation
        rows, view = navigation.in_view(), navigation.view
        points = self._points = InView(rows, view, self.stream.axes, self._ahead, self._memory.floor)
        self._update_limits()
        self.x_axis.update(points.rows, points.view)
        self.stream.draw(points)
        self.scores.draw(points)
        self.stream.write_newest(points, points.visible[1] == navigation.kept.end - 1 and len(points.rows) > 0)
        self.stream.write_reason(points, self._newest_alarm(points))
        shades = points.shades()
        for panel in self._panels:
            panel.shade.set_path(shades)
        if self.others is not None:
            self.others.draw(points)
        if self._panel is not None:
            self.trial.draw(points, self._panel.marks)
        self._update_selection()
        self.keys.set_text(self._help_text())

    def _newest_alarm(self, points: InView) -> Verdict | None:
        """The point whose reason is shown at its place: the peak of the newest episode in view, if any is."""
        if self.navigation.selected is not None or not is_wide(self.figure):
            return None
        flagged = np.flatnonzero(points.rows["is_anomaly"])
        if not len(flagged):
            return None
        newest = points.verdict(int(flagged[-1]))
        self._news.follow()
        peak = self._news.peak_of(newest)
        return peak if points.first <= peak.index <= points.visible[1] else newest

    def _update_limits(self) -> None:
        field, flagged = self._points.field, self._points.rows["is_anomaly"]
        is_labelled = self._labelled or bool((self._points.rows["label"] >= NORMAL).any())
        changes = [
            self.stream.set_limits(*usual_range(field("value"), field("lower"), field("upper"), flagged)),
            self.scores.set_limits(*extremes(field("score"), field("threshold"))),
            is_labelled != self._labelled,
        ]
        self._labelled = is_labelled
        if any(changes):
            self._arrange()

    def _update_header(self) -> None:
        now = self._clock()
        is_same = self._layers.lowest > HEADER and (self.paused, self.navigation.selected) == self._header_shows
        if is_same and now < self._header_due:
            return
        self._header_shows = (self.paused, self.navigation.selected)
        self._header_due = now + HEADER_SECONDS
        self._numbers = self._status()
        self._news.follow()
        unseen = self.navigation.unseen if self.paused else None
        self.header.write(self._numbers, state_text(unseen), self._news.news(self._numbers))
        self._hear(self._numbers.notice)
        self._write_notice()
        if not self.choice_panel.is_shown:
            self.episode_list.write(self._news, self.navigation.selected)
        if self.others is not None:
            self.others.write_names(self._numbers.agreement)

    def _update_selection(self) -> None:
        points, selected = self._points, self.navigation.selected
        offset = None if selected is None else selected - points.first
        if offset is not None and 0 <= offset < len(points.rows):
            self.selected.show(points, offset)
        else:
            self.selected.hide()

    def _update_pointed(self) -> None:
        """Show the point under the mouse, if that is not the selected one."""
        points, offset = self._points, None
        mouse = self._mouse
        if mouse is not None and mouse.place is not None and mouse.is_inside(*mouse.place):
            offset = points.nearest(mouse.index_at(mouse.place[0]))
        index = None if offset is None else points.first + offset
        if index == self.navigation.selected:
            index = offset = None
        self._layers.keeps_stream = index is not None
        if index != self._pointed_index:
            self._pointed_index = index
            self._layers.touch(POINTER)
        if offset is None:
            self.pointed.hide()
        elif self._layers.lowest <= POINTER:
            self.pointed.show(points, offset)

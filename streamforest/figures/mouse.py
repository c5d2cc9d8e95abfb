"""What the mouse does on a stream's figure: it points at a point, selects it, zooms around it and moves the view."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.backend_bases import Event, FigureCanvasBase, LocationEvent, MouseButton, MouseEvent

from streamforest.figures.navigation import Navigation

ZOOM_STEP = 1.25  # a notch of the wheel: so many times wider or narrower
LEAST_DRAG = 4.0  # 1/100 inch that a pressed mouse moves before it moves the view


class Grip(NamedTuple):
    """Where a button was pressed: pixels from the left, and the stream index at the left edge of the view."""

    x: float
    left: int


class Mouse:
    """Takes the mouse's events of a canvas.

    Parameters
    ----------
    navigation : Navigation
        Moves the view.
    panels : sequence of Axes
        Where the stream is drawn: all equally wide, above one another.
    select : callable
        Takes the stream index of a place that was clicked at, or None for one beside the stream.
    click : callable
        Takes each press of the button first; whether it meant something else than the stream.

    Attributes
    ----------
    place : tuple of float or None
        Where it points, in pixels from the lower left corner; None where it points at nothing.
    """

    def __init__(
        self,
        navigation: Navigation,
        panels: Sequence[Axes],
        select: Callable[[float | None], None],
        click: Callable[[MouseEvent], bool],
    ) -> None:
        self._navigation, self._panels, self._select, self._click = navigation, panels, select, click
        self.place: tuple[float, float] | None = None
        self._grip: Grip | None = None
        self._is_dragged = False

    def connect(self, canvas: FigureCanvasBase) -> None:
        """Take the events of a canvas, and of those that its figure is given to later."""
        canvas.mpl_connect("motion_notify_event", self._on_motion)
        canvas.mpl_connect("button_press_event", self._on_press)
        canvas.mpl_connect("button_release_event", self._on_release)
        canvas.mpl_connect("scroll_event", self._on_scroll)
        canvas.mpl_connect("figure_leave_event", self._on_leave)

    def index_at(self, x: float) -> float:
        """The stream index at so many pixels from the left of the figure."""
        panel, view = self._panels[0].bbox, self._navigation.view
        return view.left - 0.5 + (x - float(panel.x0)) / max(1.0, float(panel.width)) * view.width

    def is_inside(self, x: float, y: float) -> bool:
        """Whether a place lies in one of the panels."""
        return any(panel.bbox.contains(x, y) for panel in self._panels)

    def _on_motion(self, event: Event) -> None:
        assert isinstance(event, LocationEvent)
        self.place = (event.x, event.y)
        if self._grip is None:
            return
        moved = event.x - self._grip.x
        self._is_dragged |= abs(moved) >= LEAST_DRAG * self._panels[0].figure.dpi / 100
        if self._is_dragged:
            panel = self._panels[0].bbox
            points = moved / max(1.0, float(panel.width)) * self._navigation.view.width
            self._navigation.move_to(self._grip.left - points)

    def _on_press(self, event: Event) -> None:
        assert isinstance(event, MouseEvent)
        self._grip, self._is_dragged = None, False
        if event.button != MouseButton.LEFT:
            self._select(None)
        elif self._click(event):
            self.place = None
        elif event.dblclick:
            self._navigation.command("live")
        elif self.is_inside(event.x, event.y):
            self._grip = Grip(event.x, self._navigation.view.left)
        else:
            self._select(None)

    def _on_release(self, event: Event) -> None:
        assert isinstance(event, MouseEvent)
        if self._grip is not None and not self._is_dragged:
            self._select(self.index_at(event.x))
        self._grip = None

    def _on_scroll(self, event: Event) -> None:
        assert isinstance(event, MouseEvent)
        if self.is_inside(event.x, event.y):
            self._navigation.zoom(ZOOM_STEP**-event.step, self.index_at(event.x))

    def _on_leave(self, _event: Event) -> None:
        self.place = None

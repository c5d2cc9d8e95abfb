"""A window in a program of its own: one line of JSON of its state for each line that it is sent."""

import json
import sys
import threading
from types import SimpleNamespace

from streamforest.program.watch import VIEW_COMMANDS
from streamforest.terminal.actions import Actions
from streamforest.verdicts.history import History
from streamforest.views.window import WindowView
from tests.pictures import ahead_of, status, stream


def state_of(view):
    figure = view.figure
    canvas = figure.figure.canvas
    panel, ratio = figure.stream.axes.bbox, canvas.device_pixel_ratio
    rows = [row.kind.get_window_extent() for row in figure.episode_list.rows if row.kind.get_text()]
    return {
        "pointed": figure.pointed.text.get_text(),
        "selected": figure.navigation.selected,
        "view": list(figure.navigation.view),
        "paused": figure.paused,
        "notice": figure.notice.get_text(),
        "box": figure.keys.get_text(),
        "ahead": len(figure.stream.ahead.get_xdata()),
        # places in pixels from the window's upper left corner
        "panel": [panel.x0, figure.figure.bbox.height - panel.y1, panel.width, panel.height],
        "rows": [[box.x0 + 3, figure.figure.bbox.height - (box.y0 + box.y1) / 2] for box in rows],
        "ratio": ratio,
    }


def main():
    history, actions = History(5_000), Actions()
    history.write(stream(3_000))
    history.ahead = lambda steps: ahead_of(history, steps)
    watched = SimpleNamespace(memory=history, status=status, actions=actions)
    view = WindowView(watched, theme="light", toolkit=sys.argv[1], title="driven window")
    asked = threading.Semaphore(0)

    def listen():
        for _ in sys.stdin:
            asked.release()
        view.is_open = False

    threading.Thread(target=listen, daemon=True).start()
    while view.is_open:
        view.poll(0.03)
        for name in actions.take():
            if name in VIEW_COMMANDS:
                view.command(name)
        if asked.acquire(blocking=False):
            print(json.dumps(state_of(view)), flush=True)


if __name__ == "__main__":
    main()

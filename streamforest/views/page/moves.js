// How the view is moved by keys and buttons, and which layers of the chart are shown.

export const KEYS = {
  " ": "pause",
  ArrowLeft: "back",
  ArrowRight: "forward",
  "+": "in",
  "=": "in",
  "-": "out",
  g: "newest",
  ",": "previous",
  ".": "next",
  f: "forecast",
};
export const HELD = ["back", "forward", "in", "out", "previous", "next"]; // go on while their key is held

// Name -> what it does to the view; `tell` hears where there is nothing to go to.
export function movesOf(view, chart, episodes, tell) {
  let reached = null; // the point that the key for the newest alarm led to
  const middle = () => (view.range[0] + view.range[1]) / 2;
  const step = (way, from) => {
    const current = episodes.byStart.get(episodes.current);
    const start = current && from !== null && from >= current.start && from <= current.last ? current.start : from;
    if (!episodes.step(way, start)) tell(way < 0 ? "No earlier alarm is kept." : "There is no later alarm yet.");
  };
  const live = () => {
    view.goLive();
    chart.pinned = null;
  };
  const newest = () => {
    step(-1, view.live || chart.pinned !== reached ? null : reached);
    reached = chart.pinned;
  };
  // A point whose numbers are held stays where it is.
  const zoom = (factor) => {
    const [left, right] = view.range;
    const isSeen = !view.live && chart.pinned !== null && left <= chart.pinned && chart.pinned <= right;
    view.zoom(factor, isSeen ? chart.pinned : null);
  };
  return {
    live,
    newest,
    pause: () => (view.live ? view.hold() : live()),
    back: () => view.move(-view.width / 2),
    forward: () => view.move(view.width / 2),
    in: () => zoom(0.5),
    out: () => zoom(2),
    previous: () => step(-1, view.live ? null : (chart.pinned ?? middle())),
    next: () => step(1, chart.pinned ?? middle()),
    forecast: () => document.querySelector('[data-layer="forecast"]').click(),
  };
}

// What a layer's button says where that is not its name.
const TEXTS = { band: "usual band" };

// A button for each layer of the chart.
export function addLayers(chart, group) {
  for (const name of Object.keys(chart.layers)) {
    const button = document.createElement("button");
    button.dataset.layer = name;
    button.textContent = TEXTS[name] ?? name;
    button.setAttribute("aria-pressed", String(chart.layers[name]));
    button.addEventListener("click", () => {
      chart.layers[name] = !chart.layers[name];
      button.setAttribute("aria-pressed", String(chart.layers[name]));
      if (name === "forecast") chart.lookAhead();
      else if (name === "score") chart.build();
      else chart.draw();
    });
    group.append(button);
  }
}

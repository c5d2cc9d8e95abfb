// The chart of a summary: all of its points are in the page.

import { Chart } from "./chart.js";
import { Episodes } from "./episodes.js";
import { addLayers, KEYS, movesOf } from "./moves.js";
import * as numbers from "./numbers.js";
import { Points, takeApart } from "./points.js";
import { Readout, Words } from "./readout.js";
import { View } from "./view.js";

const KEYS_SAID = "Chart: arrow keys move, plus and minus zoom, comma and full stop step from alarm to alarm";
const CLOSE = 200; // points in view around an alarm that is chosen from afar
const find = (id) => document.getElementById(id);
const run = JSON.parse(find("run").textContent);

const view = new View();
const points = new Points();
const words = new Words(run.reasons, run.labels);
const readout = new Readout(find("readout"), points, words);
readout.others = run.others;

const message = takeApart(Uint8Array.from(atob(run.points), (sign) => sign.charCodeAt(0)).buffer);
const { first, end, time } = message.facts;
points.take(message, end - first);
numbers.setNewest(time);
view.follow({ first, end, capacity: end - first }, 0);
view.choose(end - first);

document.body.classList.add("live");
find("values").setAttribute("aria-label", document.querySelector(".still").alt);
find("plots").setAttribute("role", "group");
find("plots").setAttribute("aria-label", KEYS_SAID);
find("plots").tabIndex = 0; // keys are for it, as a page that is read has its own
document.body.toggleAttribute("data-labelled", message.columns.label.some((label) => label >= 0));

const chart = new Chart({ plots: find("plots"), values: find("values"), scores: find("scores") }, points, view, {
  words,
  alarmOf: (index) => episodes.alarmOf(index),
  moved: () => (find("whole").disabled = view.live && view.width >= end - first),
  hovered: (index, reach) => readout.show(index, reach),
  went: act,
});
chart.others = run.others;

const episodes = new Episodes(find("episodes").tBodies[0], {
  chosen: (episode) => {
    if (episode.peak < first) {
      tell("The points of this alarm were not kept.");
      return;
    }
    chart.pinned = episode.peak;
    const width = Math.min(view.width, CLOSE);
    view.hold(episode.peak - width / 2, width);
    chart.changed();
    readout.show(episode.peak, 0);
    tell("");
  },
  tell,
});
episodes.take(run.episodes);
find("no-episodes").hidden = run.episodes.length > 0;

const MOVES = movesOf(view, chart, episodes, tell);

function tell(text) {
  find("news").textContent = text;
}

function act(name) {
  tell("");
  MOVES[name]();
  if (name === "live") view.choose(end - first);
  chart.changed();
}

find("chart").addEventListener("keydown", (event) => {
  const name = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!name || name === "forecast" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === " ") {
    if (event.target.tagName === "BUTTON") return;
    event.preventDefault();
    act("live"); // nothing moves here that could be stopped
    return;
  }
  event.preventDefault();
  act(name);
});
for (const button of document.querySelectorAll("button[data-do]"))
  button.addEventListener("click", () => act(button.dataset.do));
delete chart.layers.forecast; // nothing comes any more
addLayers(chart, find("legend"));

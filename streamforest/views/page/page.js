// The page: the live connection, the keys, and what stands around the chart.

import { Chart } from "./chart.js";
import { Episodes } from "./episodes.js";
import { Honesty } from "./honesty.js";
import { Incidents } from "./incidents.js";
import { addLayers, HELD, KEYS as MOVE_KEYS, movesOf } from "./moves.js";
import * as numbers from "./numbers.js";
import { Panel } from "./panel.js";
import { Points, takeApart } from "./points.js";
import { Ranking } from "./ranking.js";
import { Readout, Words } from "./readout.js";
import { View } from "./view.js";

const find = (id) => document.getElementById(id);
const body = document.body;
const acts = body.dataset.acts === "yes";
const folder = location.pathname.replace(/[^/]*$/, "");

const ASK_AGAIN = 60; // milliseconds between two wishes of a view that moves
const FIRST_WAIT = 500,
  LONGEST_WAIT = 5000; // milliseconds before connecting again
const BRIEF = 3500; // milliseconds that a notice is shown
const FORECAST_PATIENCE = 3; // states of the run that a forecast may take
const PATIENCE = 30_000; // milliseconds in which a detector that was asked for should judge

// The cookie holds the token from here on: it stays in no address, and in no history.
history.replaceState(null, "", location.pathname);

const view = new View();
const points = new Points();
const words = new Words(body.dataset.reasons.split("|"), body.dataset.labels.split("|"));
const readout = new Readout(find("readout"), points, words);
const chart = new Chart({ plots: find("plots"), values: find("values"), scores: find("scores") }, points, view, {
  words,
  alarmOf: (index) => episodes.alarmOf(index),
  moved: viewMoved,
  hovered: (index, reach) => readout.show(index, reach),
  went: act,
});
const episodes = new Episodes(find("episodes").tBodies[0], {
  chosen: showEpisode,
  tell: (text) => write(find("news"), text),
});
const ranking = new Ranking(
  { table: find("streams"), words: find("words"), states: find("states"), found: find("found"), more: find("more") },
  { wish: (parts) => send({ table: parts }), open: openStream },
);
const incidents = new Incidents(find("incidents"), {
  chosen(key) {
    find("words").value = key;
    ranking.ask();
  },
});

const honesty = new Honesty(find("honesty"));
const panel = new Panel(find("panel"), { send, shown: showTrial });

let status = null,
  socket = null,
  isOver = false,
  wait = FIRST_WAIT;
let viewNumber = 0,
  lacking = 0, // states of the run since a forecast was asked for in vain
  asked = "",
  askedAhead = 0,
  asking = 0,
  hiding = 0,
  lostAt = null,
  opened = null,
  changing = null;

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function send(message) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

// What stands around the chart

function notify(text, milliseconds) {
  clearTimeout(hiding);
  write(find("notice"), text);
  find("notice").hidden = !text;
  find("notice").classList.toggle("brief", Boolean(milliseconds)); // over the page, which stays as it is
  if (milliseconds) hiding = setTimeout(() => notify(""), milliseconds);
}

// A line of the run for people; what is told of the connection stays.
function hear(text) {
  if (find("notice").hidden || find("notice").classList.contains("brief")) notify(text, 2 * BRIEF);
}

function setState(kind, text) {
  const state = find("state");
  if (state.dataset.kind !== kind) write(find("news"), text);
  state.dataset.kind = kind;
  write(state, text);
}

function stateText({ state, since, last, warm_up: share, quiet, complete }) {
  if (complete) return "the stream has ended";
  if (state === "warming up") return `warming up: ${Math.floor(100 * share)} %`;
  if (state === "anomalous" && last?.index !== undefined) return `anomalous since ${numbers.place(since, last.index)}`;
  return quiet !== null && quiet >= 60 ? `${state}, no point for ${quiet} s` : state;
}

function alarmText({ last, episodes: found }) {
  if (!last) return found ? "none among the points that are kept" : "none yet";
  if (last.words) return last.words.replace("+-", "\u00b1");
  const words = numbers.why(last.name, last.value, last.expected, last.half).join(": ");
  return `${words}, ${numbers.place(last.time, last.index)}`;
}

function tilesOf(facts) {
  const asked =
    facts.alarms_a_day === null
      ? `${numbers.percent(facts.alarm_rate)}`
      : `${numbers.brief(facts.alarms_a_day)} a day`;
  const got = facts.realised_rate ? numbers.percent(facts.realised_rate) : facts.anomalies ? "none" : "none yet";
  const tiles = [["last alarm", alarmText(facts), "wide"]];
  if (facts.streams !== null) tiles.push(["streams", numbers.count(facts.streams)]);
  tiles.push(
    ["points", numbers.count(facts.points)],
    ["points/s", numbers.brief(facts.complete ? null : facts.points_per_second)],
    ["episodes", numbers.count(facts.episodes)],
    ["anomalous", numbers.count(facts.anomalies)],
    // with labels it is known which points are normal
    [facts.precision === null ? "marked / asked for" : "normal marked / asked for", `${got} / ${asked}`, "rate"],
  );
  for (const [name, shared, episodes] of facts.agreement) {
    tiles.push([`episodes ${name} marks too`, `${numbers.count(shared)} of ${numbers.count(episodes)}`]);
  }
  if (facts.refused) tiles.push(["refused", numbers.count(facts.refused)]);
  if (facts.missing) tiles.push(["missing", numbers.count(facts.missing)]);
  if (facts.precision !== null) tiles.push(["episodes right", numbers.percent(facts.precision)]);
  if (facts.recall !== null) tiles.push(["events found", numbers.percent(facts.recall)]);
  return tiles;
}

function showTiles(tiles) {
  const list = find("tiles");
  while (list.children.length > tiles.length) list.lastChild.remove();
  tiles.forEach(([name, value, kind], k) => {
    if (!list.children[k]) {
      const tile = document.createElement("div");
      tile.append(document.createElement("dt"), document.createElement("dd"));
      list.append(tile);
    }
    list.children[k].className = kind ?? "";
    write(list.children[k].firstChild, name);
    write(list.children[k].lastChild, value);
    list.children[k].lastChild.title = kind === "wide" ? value : "";
  });
}

function showDetectors({ detectors, detector }) {
  const list = find("detector");
  write(find("judge"), detector);
  if (detectors.length !== list.options.length || detectors.some((name, k) => list.options[k].value !== name)) {
    list.replaceChildren(...detectors.map((name) => new Option(name, name)));
  }
  if (document.activeElement !== list || list.dataset.current !== detector) list.value = detector;
  list.dataset.current = detector;
  body.dataset.choice = detectors.length > 1 ? "yes" : "no";
  list.disabled = isOver;
  if (changing && detector !== changing.from) {
    notify(`${detector} judges now.`, BRIEF);
    changing = null;
  } else if (changing && Date.now() > changing.until) {
    notify(
      `${detector} goes on: the other detector could not take over; the terminal of the run says why.`,
      2 * BRIEF,
    );
    list.value = detector;
    changing = null;
  }
}

function showStatus(facts) {
  if (status && facts.end < status.end) {
    // another run behind the same address
    episodes.clear();
    MOVES.live();
  }
  status = facts;
  numbers.setNewest(facts.time);
  body.toggleAttribute("data-labelled", facts.precision !== null);
  if (body.dataset.shows === "stream" && facts.shows === "ranking") body.dataset.shows = "ranking";
  write(find("source"), facts.source);
  document.title = facts.source;
  write(find("understood"), facts.understood);
  showTiles(tilesOf(facts));
  showDetectors(facts);
  setState(facts.complete ? "ended" : facts.state, stateText(facts));
  find("no-episodes").hidden = episodes.byStart.size > 0;
  find("values").setAttribute(
    "aria-label",
    `${facts.source}: ${numbers.count(facts.points)} points, ` +
      `${numbers.count(facts.episodes)} episodes, ${facts.state}`,
  );
  find("rates").hidden = !facts.honesty;
  if (facts.honesty) honesty.take(facts.honesty);
  if (facts.shows === "stream") {
    chart.others = readout.others = facts.others;
    chart.floor = facts.floor;
    view.follow(facts, facts.points_per_second);
    if (chart.plots.length) viewMoved();
  }
  const lacks = chart.layers.forecast && view.live && !view.all && !chart.ahead;
  lacking = lacks ? lacking + 1 : 0;
  if (lacking === FORECAST_PATIENCE) hear("No forecast now: it is being compiled, once, or this detector has none.");
  if (lostAt !== null) {
    notify(`Connected again; ${numbers.count(Math.max(0, facts.points - lostAt))} points came meanwhile.`, BRIEF);
    lostAt = null;
  }
}

// The chart

function viewMoved() {
  const isHeld = !view.live;
  find("pause").setAttribute("aria-pressed", String(isHeld));
  const missed =
    status && status.shows === "stream" && isHeld ? Math.max(0, Math.round(view.end - view.range[1] - 0.5)) : 0;
  write(find("pause"), !isHeld ? "Pause" : missed ? `Go live (+${numbers.count(missed)})` : "Go live");
  const [left, right] = view.range;
  const isRanking = status?.shows === "ranking";
  const stretch = `first=${Math.max(0, Math.ceil(left))}&end=${Math.max(0, Math.floor(right) + 1)}`;
  find("seen").href = `seen.csv?${isRanking ? "first=0&end=1000" : stretch}`;
  find("picture").href = isRanking ? "picture.png" : `picture.png?${stretch}`;
  find("case").href = `case.zip?at=${Math.max(0, chart.pinned ?? Math.floor(right))}`;
  if (!asking)
    asking = setTimeout(() => {
      asking = 0;
      askForView();
    }, ASK_AGAIN);
}

function askForView() {
  if (view.all || !chart.plots.length) return;
  askAhead();
  const wish = view.wish(chart.pixels);
  if (JSON.stringify(wish) === asked || socket?.readyState !== WebSocket.OPEN) return;
  asked = JSON.stringify(wish);
  send({ view: [++viewNumber, ...wish] });
}

function askAhead() {
  const steps = view.live && view.looksAhead ? Math.ceil(view.range[1] - view.end) : 0;
  if (steps === askedAhead || socket?.readyState !== WebSocket.OPEN) return;
  askedAhead = steps;
  send({ ahead: steps });
}

function receivePoints(buffer) {
  const message = takeApart(buffer);
  const { facts } = message;
  if (view.all && facts.stream !== opened) return;
  points.take(message, view.span);
  if (view.all) view.end = facts.end;
  else if (facts.end > view.end) view.end = facts.end;
  find("plots").dataset.points = points.length; // for tests
  showThinness(facts.thin);
  chart.draw();
  if (chart.pointer === null) readout.show(chart.pinned, 0);
}

function showThinness(thin) {
  const before = Number(body.dataset.thin ?? 1);
  body.dataset.thin = thin;
  if (thin > 1 && before !== thin)
    notify("The link is slow: fewer points are drawn, the extremes and the anomalies among them.");
  else if (thin === 1 && before > 1) notify("");
}

function showEpisode(episode) {
  if (status && episode.peak < status.first) {
    notify("The points of this alarm are not kept any more.", BRIEF);
    return;
  }
  chart.pinned = episode.peak;
  view.show(episode.peak);
  chart.changed();
  readout.show(episode.peak, 0);
}

function openStream(number, key) {
  opened = number;
  body.dataset.shows = "one";
  write(find("key"), key);
  view.all = true;
  MOVES.live();
  points.columns = new Points().columns;
  view.end = 0;
  send({ stream: number });
  chart.build();
  find("to-ranking").focus();
}

function closeStream() {
  send({ stream: null });
  opened = null;
  body.dataset.shows = "ranking";
  document.querySelector("#streams tbody button")?.focus();
}

// The panel of choices

function showTrial(marks) {
  chart.trial = marks;
  body.toggleAttribute("data-panel", panel.isOpen);
  chart.draw();
}

const OPENED = {
  real: "Noted as real.",
  undo: "Asked for the newest rule to be taken back.",
};

function openPanel(name) {
  if (!acts || isOver) return;
  if (body.dataset.shows !== "stream")
    return notify("That is for one stream: of each of many only the newest points are kept.", BRIEF);
  const [left, right] = view.range;
  const seen = [Math.max(0, Math.ceil(left)), Math.max(0, Math.floor(right)), chart.pinned];
  send({ panel: name, seen });
  if (OPENED[name]) notify(OPENED[name], BRIEF);
}

function movePanel(name) {
  send({ panel: name });
}

const IN_PANEL = {
  ArrowUp: "up",
  ArrowDown: "down",
  ArrowLeft: "back",
  ArrowRight: "forward",
  Enter: "take",
  Escape: "leave",
};
const OPENING = { w: "what-if", t: "limits", n: "nothing", y: "real", m: "missed", u: "undo" };

// Whether a key was one for the panel.
function keyInPanel(event) {
  const at = event.target;
  if (event.ctrlKey || event.metaKey || event.altKey || at.tagName === "SELECT" || at.type === "search") return false;
  if (find("keys").open || find("honesty").open) return false;
  const name = panel.isOpen ? IN_PANEL[event.key] : null;
  const opening = event.repeat ? null : OPENING[event.key.toLowerCase()];
  const isSlider = at.type === "range" && event.key.startsWith("Arrow");
  if ((!name && !opening) || isSlider || (event.key === "Enter" && at.tagName === "BUTTON")) return false;
  event.preventDefault();
  if (name) movePanel(name);
  else openPanel(opening);
  return true;
}

// What the visitor does

const KEYS = {
  ...MOVE_KEYS,
  c: "case",
  d: "next-detector",
  e: "episodes",
  r: "report",
  h: "help",
  i: "honesty",
  q: "snapshot",
};
const ASKS = { snapshot: "Asked for a picture of the newest points.", report: "Asked for the report." };
const MOVES = movesOf(view, chart, episodes, (text) => notify(text, BRIEF));

function act(name) {
  if (name === "help") return find("keys").open ? find("keys").close() : find("keys").showModal();
  if (name === "honesty") return status?.honesty && honesty.toggle(status.honesty);
  if (name === "episodes") return body.toggleAttribute("data-alone");
  if (name === "case") return body.dataset.shows === "stream" && !isOver ? find("case").click() : undefined;
  if (MOVES[name]) {
    if (body.dataset.shows === "ranking") return;
    if (view.all && ["newest", "previous", "next"].includes(name)) return;
    MOVES[name]();
    chart.changed();
    return;
  }
  if (!acts || isOver) return;
  if (name === "next-detector" && status?.detectors.length < 2) return;
  if (name === "next-detector") expectDetector();
  send({ ask: name });
  if (ASKS[name] && socket) notify(ASKS[name], BRIEF);
}

function expectDetector() {
  changing = { from: status.detector, until: Date.now() + PATIENCE };
  notify(`${status.detector} goes on until the other detector is ready; one may have to compile or to learn first.`);
}

document.addEventListener("keydown", (event) => {
  const name = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  const at = event.target.tagName;
  if (event.key === "Escape") find("downloads").open = false;
  if (keyInPanel(event)) return;
  if (!name || event.ctrlKey || event.metaKey || event.altKey || at === "SELECT" || at === "INPUT") return;
  if (find("keys").open && name !== "help") return;
  if (find("honesty").open && name !== "honesty") return;
  if (event.key === " " && ["BUTTON", "SUMMARY", "A"].includes(at)) return;
  if (event.repeat && !HELD.includes(name)) return;
  event.preventDefault();
  act(name);
});
for (const button of document.querySelectorAll("button[data-do]"))
  button.addEventListener("click", () => act(button.dataset.do));
for (const button of document.querySelectorAll("button[data-ask]"))
  button.addEventListener("click", () => act(button.dataset.ask));
for (const button of document.querySelectorAll("button[data-open]"))
  button.addEventListener("click", () => openPanel(button.dataset.open));
for (const button of document.querySelectorAll("button[data-panel]"))
  button.addEventListener("click", () => movePanel(button.dataset.panel));
find("pause").addEventListener("click", () => act("pause"));
find("help").addEventListener("click", () => act("help"));
find("rates").addEventListener("click", () => act("honesty"));
find("to-ranking").addEventListener("click", closeStream);
find("detector").addEventListener("change", (event) => {
  expectDetector();
  send({ ask: `detector:${event.target.value}` });
});
find("downloads").addEventListener("click", (event) => {
  if (event.target.closest("li")) find("downloads").open = false;
});
document.addEventListener("pointerdown", (event) => {
  if (!find("downloads").contains(event.target)) find("downloads").open = false;
});

addLayers(chart, find("legend"));

// The live connection

function receive(event) {
  if (typeof event.data !== "string") {
    receivePoints(event.data);
    send({ ack: "chart" });
    return;
  }
  const message = JSON.parse(event.data);
  if (message.kind === "status") showStatus(message);
  else if (message.kind === "episodes") {
    episodes.take(message.episodes);
    chart.draw(); // the newest one says why
    find("no-episodes").hidden = episodes.byStart.size > 0;
  } else if (message.kind === "panel") {
    if (message.said) notify(message.said, 2 * BRIEF);
    panel.take(message);
  } else if (message.kind === "ahead") {
    chart.ahead = chart.layers.forecast ? message : null;
    chart.draw();
  } else if (message.kind === "notice") hear(message.text);
  else if (message.kind === "incidents") incidents.take(message);
  else if (message.kind === "table") ranking.take(message, status?.streams ?? 0);
  send({ ack: message.kind });
  if (message.ended) end("The run has ended. What is shown is how it stood then.");
}

function enable(isPossible) {
  for (const button of document.querySelectorAll("[data-ask], [data-open]")) button.disabled = !isPossible;
  find("detector").disabled = !isPossible;
  for (const link of document.querySelectorAll("a[download]"))
    link.setAttribute("aria-disabled", String(!isPossible));
}

function end(text) {
  isOver = true;
  setState("ended", "ended");
  notify(text);
  enable(false);
}

function connect() {
  const link = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${folder}live`);
  link.binaryType = "arraybuffer";
  link.onopen = () => {
    socket = link;
    body.toggleAttribute("data-stale", false);
    wait = FIRST_WAIT;
    notify("");
    enable(true);
    asked = "";
    askedAhead = 0;
    askForView();
    ranking.ask();
    if (opened !== null) send({ stream: opened });
  };
  link.onmessage = receive;
  link.onclose = () => {
    if (!isOver) retry();
  };
}

async function retry() {
  socket = null;
  panel.take({ panel: null });
  if (status && lostAt === null) lostAt = status.points;
  setState("lost", "connection lost");
  body.toggleAttribute("data-stale", true);
  notify("The connection to the run is lost; trying again. What is shown is what arrived before.");
  enable(false);
  await new Promise((done) => setTimeout(done, wait));
  wait = Math.min(2 * wait, LONGEST_WAIT);
  try {
    const answer = await fetch(folder, { cache: "no-store" });
    if (answer.status === 403) {
      end("The run of this page has ended and another is there: open the address that its terminal shows.");
      return;
    }
  } catch {
    /* nobody there yet: the socket says the same */
  }
  connect();
}

enable(false);
connect();

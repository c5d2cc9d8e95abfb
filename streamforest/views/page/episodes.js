// The list of episodes: the newest first, each with its time and reason; a click shows it in the chart.

import * as numbers from "./numbers.js";

const MOST = 300; // in the list
const TOLD_SECONDS = 3; // between two alarms that are read out

// As the server sends them.
const NAMES = ["start", "last", "peak", "time", "name", "value", "expected", "half", "points", "like", "isOpen"];

export class Episodes {
  constructor(body, { chosen, tell }) {
    Object.assign(this, { body, chosen, tell });
    this.byStart = new Map();
    this.rows = new Map();
    this.current = null;
    this.isFirst = true;
    this.told = 0;
  }

  // All of them, in order of time.
  get list() {
    return [...this.byStart.values()].sort((a, b) => a.start - b.start);
  }

  take(found) {
    const fresh = [];
    for (const parts of found) {
      const episode = Object.fromEntries(NAMES.map((name, k) => [name, parts[k]]));
      if (!this.byStart.has(episode.start)) fresh.push(episode);
      this.byStart.set(episode.start, episode);
      this.showRow(episode);
    }
    for (const { start } of this.list.slice(0, -MOST)) {
      this.byStart.delete(start);
      this.rows.get(start).remove();
      this.rows.delete(start);
    }
    if (fresh.length && !this.isFirst) this.announce(fresh);
    this.isFirst = false;
  }

  // The alarm that a point is in, by its stream index: its peak and why it is one; null where it is not in the list.
  alarmOf(index) {
    for (const one of this.byStart.values())
      if (one.start <= index && index <= one.last)
        return { peak: one.peak, why: numbers.why(one.name, one.value, one.expected, one.half).join(": ") };
    return null;
  }

  clear() {
    this.byStart.clear();
    this.rows.clear();
    this.body.replaceChildren();
    this.isFirst = true;
  }

  announce(fresh) {
    const now = Date.now();
    if (now - this.told < 1000 * TOLD_SECONDS) return;
    this.told = now;
    const { name, value, expected, half, time, start } = fresh[fresh.length - 1];
    const more = fresh.length > 1 ? `${fresh.length} alarms, the newest: ` : "Alarm: ";
    this.tell(`${more}${numbers.why(name, value, expected, half).join(": ")}, ${numbers.place(time, start)}`);
  }

  showRow(episode) {
    let row = this.rows.get(episode.start);
    if (!row) {
      row = document.createElement("tr");
      for (let k = 0; k < 3; k++) row.insertCell();
      row.cells[0].append(document.createElement("button"));
      row.cells[1].append(...["b", "br", "i", "small"].map((name) => document.createElement(name)));
      row.cells[2].className = "number";
      row.addEventListener("click", () => this.choose(episode.start));
      this.rows.set(episode.start, row);
      const after = [...this.body.rows].find((other) => Number(other.dataset.start) < episode.start);
      this.body.insertBefore(row, after ?? null);
      row.dataset.start = episode.start;
    }
    row.toggleAttribute("data-open", episode.isOpen);
    const [name, readings] = numbers.why(episode.name, episode.value, episode.expected, episode.half);
    row.cells[0].firstChild.textContent = numbers.place(episode.time, episode.start);
    row.cells[1].firstChild.textContent = episode.isOpen ? `${name}, going on` : name;
    row.querySelector("i").textContent = readings;
    row.querySelector("small").textContent = episode.like;
    row.cells[2].textContent = numbers.count(episode.points);
  }

  choose(start) {
    const episode = this.byStart.get(start);
    if (!episode) return;
    this.rows.get(this.current)?.removeAttribute("aria-current");
    this.current = start;
    this.rows.get(start).setAttribute("aria-current", "true");
    this.rows.get(start).scrollIntoView({ block: "nearest" });
    this.chosen(episode);
  }

  // Step to the alarm before (-1) or after (1) a stream index; null is the newest end.
  step(way, from) {
    const list = this.list;
    const found =
      way < 0
        ? (list.filter((one) => from === null || one.start < from).pop() ?? null)
        : (list.find((one) => from !== null && one.start > from) ?? null);
    if (found) this.choose(found.start);
    return found !== null;
  }
}

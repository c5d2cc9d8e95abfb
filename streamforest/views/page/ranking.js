// The table of many streams: the worst first, sorted and filtered by the server; a click opens one.

import * as numbers from "./numbers.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 150,
  HEIGHT = 26,
  LINE_POINTS = 60,
  LINE_HEIGHT = 100;
const TYPING = 150,
  STEP = 50,
  MOST = 200; // milliseconds; rows

// Name for the server (none: it cannot be sorted by), heading, class of its cells.
const COLUMNS = [
  ["rank", "rank", "number"],
  ["key", "stream", "key"],
  [null, "newest points", "line"],
  ["state", "state", "state"],
  ["episodes", "episodes", "number"],
  ["anomalies", "anomalous", "number"],
  ["points", "points", "number"],
  ["worst_p", "rarest p", "number"],
  [null, "why", "reason"],
  ["time", "newest point", "time"],
];
const FALLING = ["episodes", "anomalies", "points", "time"]; // the most first

export class Ranking {
  constructor(parts, { wish, open }) {
    Object.assign(this, parts, { wish, open });
    this.sort = "rank";
    this.reversed = false;
    this.count = STEP;
    this.rows = [];
    this.makeHeadings();
    let typing = 0;
    this.words.addEventListener("input", () => {
      clearTimeout(typing);
      typing = setTimeout(() => this.ask(), TYPING);
    });
    this.states.addEventListener("change", () => this.ask());
    this.more.addEventListener("click", () => {
      this.count = Math.min(this.count + STEP, MOST);
      this.ask();
    });
  }

  makeHeadings() {
    this.headings = COLUMNS.map(([name, text, kind]) => {
      const heading = document.createElement("th");
      heading.scope = "col";
      heading.className = kind;
      const inside = document.createElement(name ? "button" : "span");
      inside.textContent = text;
      if (name) inside.addEventListener("click", () => this.sortBy(name));
      heading.append(inside);
      return heading;
    });
    this.table.tHead.rows[0].append(...this.headings);
    this.showSort();
  }

  sortBy(name) {
    this.reversed = this.sort === name ? !this.reversed : FALLING.includes(name);
    this.sort = name;
    this.showSort();
    this.ask();
  }

  showSort() {
    COLUMNS.forEach(([name], k) => {
      if (name === this.sort) this.headings[k].setAttribute("aria-sort", this.reversed ? "descending" : "ascending");
      else this.headings[k].removeAttribute("aria-sort");
    });
  }

  ask() {
    this.wish([this.count, this.sort, this.reversed, this.words.value.trim(), this.states.value]);
  }

  take({ rows, found, searched }, streams) {
    const body = this.table.tBodies[0];
    while (body.rows.length > rows.length) body.lastElementChild.remove();
    while (body.rows.length < rows.length) body.append(this.makeRow());
    rows.forEach((facts, k) => this.fillRow(body.rows[k], facts));
    this.rows = rows;
    const among =
      streams > searched
        ? `the ${numbers.count(searched)} worst of ${numbers.count(streams)} streams`
        : `${numbers.count(searched)} streams`;
    const text = found === searched ? among : `${numbers.count(found)} of ${among}`;
    if (this.found.textContent !== text) this.found.textContent = text;
    this.more.hidden = found <= rows.length || this.count >= MOST;
  }

  makeRow() {
    const row = document.createElement("tr");
    for (const [, , kind] of COLUMNS) row.insertCell().className = kind;
    row.querySelector(".key").append(document.createElement("button"));
    row.querySelector(".line").append(makeLine());
    row.addEventListener("click", () => this.open(Number(row.dataset.number), row.querySelector(".key").textContent));
    return row;
  }

  fillRow(row, [place, number, key, state, points, anomalies, episodes, worst, p, time, reason, heights, marks]) {
    const written = [
      numbers.count(place),
      null,
      null,
      state,
      numbers.count(episodes),
      numbers.count(anomalies),
      numbers.count(points),
      numbers.brief(worst),
      reason.replace("+-", "\u00b1"),
      time === null ? "" : numbers.place(time, 0),
    ];
    row.dataset.number = number;
    row.dataset.state = state;
    row.title = p === null ? "" : `p of the newest point: ${numbers.brief(p)}`;
    written.forEach((text, k) => {
      if (text !== null && row.cells[k].textContent !== text) row.cells[k].textContent = text;
    });
    const name = row.querySelector(".key button");
    if (name.textContent !== key) name.textContent = key;
    fillLine(row.querySelector("svg"), heights, marks);
  }
}

function makeLine() {
  const line = document.createElementNS(SVG, "svg");
  line.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  line.setAttribute("aria-hidden", "true");
  return line;
}

function fillLine(svg, heights, marks) {
  const x = (k) => ((k + LINE_POINTS - heights.length) * WIDTH) / (LINE_POINTS - 1);
  const y = (height) => HEIGHT - 3 - (height / LINE_HEIGHT) * (HEIGHT - 6);
  const parts = [];
  let run = [];
  heights.forEach((height, k) => {
    if (height !== null) run.push(`${x(k).toFixed(1)},${y(height).toFixed(1)}`);
    if ((height === null || k === heights.length - 1) && run.length) {
      parts.push(run);
      run = [];
    }
  });
  const lines = parts.map((points) => {
    const line = document.createElementNS(SVG, "polyline");
    line.setAttribute("points", points.join(" "));
    return line;
  });
  const dots = marks
    .filter((k) => heights[k] !== null)
    .map((k) => {
      const dot = document.createElementNS(SVG, "circle");
      dot.setAttribute("cx", x(k).toFixed(1));
      dot.setAttribute("cy", y(heights[k]).toFixed(1));
      dot.setAttribute("r", "2.6");
      return dot;
    });
  svg.replaceChildren(...lines, ...dots);
}

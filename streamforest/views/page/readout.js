// The numbers of one point in a line, and why it is an alarm.

import * as numbers from "./numbers.js";

// What the run calls reasons and labels, by their numbers.
export class Words {
  constructor(names, labels) {
    Object.assign(this, { names, labels });
  }

  reason(columns, k) {
    const name = this.names[columns.reason[k]];
    if (!name) return columns.is_anomaly[k] ? "anomalous" : "";
    const { value, expected, lower, upper } = columns;
    return numbers.why(name, value[k], expected[k], numbers.halfOf(lower[k], upper[k])).join(": ");
  }
}

export class Readout {
  constructor(line, points, words) {
    Object.assign(this, { line, points, words });
    this.others = []; // names of the detectors that judge along
  }

  // The point at a stream index, or an anomaly within `reach` of it; the newest one without an index.
  show(index, reach) {
    const k = index === null ? this.points.length - 1 : this.points.nearest(index, reach);
    const parts = k < 0 ? [] : this.parts(k);
    this.line.replaceChildren(...parts.flatMap((part, at) => (at ? [" \u00b7 ", element(part)] : [element(part)])));
  }

  parts(k) {
    const { index, time, value, expected, lower, upper, score, threshold, p_value: p } = this.points.columns;
    const { reason, is_anomaly: flags, label, others } = this.points.columns;
    const half = numbers.halfOf(lower[k], upper[k]);
    const reading = value[k] === null ? "missing" : numbers.full(value[k], half);
    const parts = [numbers.place(time[k], index[k]), ["b", reading]];
    if (expected[k] !== null) parts.push(`expected ${numbers.expected(expected[k], half)}`);
    else if (half !== null) parts.push(`usual ${numbers.usual(lower[k], upper[k])}`);
    const limit = threshold[k] === null ? "" : `, threshold ${numbers.brief(threshold[k])}`;
    const alone = isByBand(this.points.columns, k) ? ", marked by its band alone" : limit;
    if (score[k] !== null) parts.push(`score ${numbers.brief(score[k])}${alone}`);
    if (p[k] !== null) parts.push(`p ${numbers.brief(p[k])}`);
    if (flags[k]) parts.push(["alarm", this.words.names[reason[k]] || "anomalous"]);
    const marking = this.others.filter((_, bit) => others[k] & (1 << bit));
    if (marking.length) parts.push(`marked by ${marking.join(", ")}`);
    if (label[k] >= 0) parts.push(`label: ${this.words.labels[label[k]]}`);
    return parts;
  }
}

// Whether a point is anomalous though its score does not say so: it has no threshold then.
export function isByBand({ is_anomaly: flags, score, threshold }, k) {
  return Boolean(flags[k]) && score[k] !== null && threshold[k] === null;
}

// A part of the line: plain text, or a text with its kind.
function element(part) {
  if (typeof part === "string") return part;
  const [kind, text] = part;
  const marked = document.createElement(kind === "b" ? "b" : "span");
  if (kind !== "b") marked.className = kind;
  marked.textContent = text;
  return marked;
}

// The chart: the stream with what was expected, its band and its episodes; below it the score and its threshold.

import { Gestures } from "./gestures.js";
import * as numbers from "./numbers.js";
import { usualRange } from "./points.js";
import { isByBand } from "./readout.js";

const RIGHT = 64,
  BOTTOM = 40,
  TOP = 10; // CSS pixels around the plots
const NARROW = 560; // CSS pixels below which text is smaller and the alarm's words are left out
const MANY_MARKS = 3; // CSS pixels of width an alarm in view has, of which fewer make all of them small
const MANY_EPISODES = 60,
  STRIP = 8; // in view, of which more are a strip at the top, as shades would cover all; its height in CSS pixels
const LABEL = 76; // CSS pixels that a number at the edge takes
const REASON_HEIGHT = 18,
  REASON_GAP = 12,
  REASON_MARGIN = 6,
  REASON_EDGE = 16; // CSS pixels: of a reason's line, from its mark, from what is drawn, from the edges and what is there
const REASON_LINES = [0, -1, 1]; // where a reason may stand: lines below its mark
const MOST_TICKS = 14; // on a y axis, of a plot that is high
const ROW = 14; // CSS pixels of the marks of a detector that judges along
const COLOURS = ["page", "text", "quiet", "grid", "value", "expected", "band", "anomaly", "episode", "calm", "limit"];

export class Chart {
  // `words` gives the reason of a point, `alarmOf` the alarm that a point is in; `moved`
  // hears of a view that the visitor changed, `hovered` of a point.
  constructor(boxes, points, view, { words, alarmOf, moved, hovered, went }) {
    Object.assign(this, { boxes, points, view, words, alarmOf, moved, hovered, went });
    this.trial = []; // stream indices of points whose alarms would stay, be new, or be dropped
    this.others = []; // names of the detectors that judge along
    this.floor = null; // no band is drawn below it
    const shown = ["value", "expected", "band", "anomalous", "episode", "labelled", "score", "threshold"];
    this.layers = { ...Object.fromEntries(shown.map((name) => [name, true])), forecast: false };
    this.ahead = null; // what is expected next: first stream index, and arrays of expected, lower and upper
    this.plots = [];
    this.ranges = {};
    this.pointer = null; // stream index under the pointer
    this.pinned = null; // stream index that was clicked
    this.pending = 0;
    this.readColours();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.readColours();
      this.draw();
    });
    this.gestures = [];
    this.isStale = false; // the size is another one, and a drag goes on that a new plot would end
    new ResizeObserver(() => {
      this.isStale = this.gestures.some((one) => one.start !== null);
      if (!this.isStale) this.build();
    }).observe(boxes.plots);
  }

  readColours() {
    const style = getComputedStyle(document.documentElement);
    this.colours = Object.fromEntries(COLOURS.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
  }

  get pixels() {
    return Math.max(50, this.boxes.plots.clientWidth - this.gutter - RIGHT);
  }
  get isNarrow() {
    return this.boxes.plots.clientWidth < NARROW;
  }
  get gutter() {
    return this.isNarrow ? 52 : 64;
  }
  get hasScore() {
    return this.layers.score && !this.view.all;
  }

  // Make the plots anew, for another size or other layers.
  build() {
    for (const plot of this.plots) plot.destroy();
    this.isStale = false;
    this.gestures = [];
    this.boxes.scores.hidden = !this.hasScore;
    const { values, scores } = this.boxes;
    if (!values.clientWidth || !values.clientHeight) {
      this.plots = [];
      return;
    }
    this.plots = [this.makePlot(values, "value", !this.hasScore, this.valueParts())];
    if (this.hasScore) this.plots.push(this.makePlot(scores, "score", true, this.scoreParts()));
    for (const { over } of this.plots) {
      const gestures = new Gestures(over, this.view, {
        changed: () => this.changed(),
        ended: () => this.isStale && this.build(),
        tapped: (index) => {
          this.pinned = index;
          this.draw();
        },
        live: () => this.went("live"),
      });
      this.gestures.push(gestures);
    }
    this.draw();
    this.moved();
  }

  makePlot(box, scale, hasTimes, parts) {
    const colour = (name) => () => this.colours[name];
    const font = `${this.isNarrow ? 11 : 12}px system-ui, "DejaVu Sans", sans-serif`;
    const grid = { stroke: colour("grid"), width: 1 };
    const same = (_plot, low, high) => [low, high];
    const options = {
      width: box.clientWidth,
      height: box.clientHeight,
      padding: [TOP, RIGHT, hasTimes ? 0 : 6, 0],
      legend: { show: false },
      pxAlign: 0,
      cursor: {
        y: false,
        drag: { x: false, y: false },
        bind: { dblclick: () => null },
        points: { show: false },
        sync: { key: "chart" },
      },
      scales: { x: { time: false, auto: false, range: same }, [scale]: { auto: false, range: same } },
      axes: [
        {
          scale: "x",
          stroke: colour("quiet"),
          font,
          grid,
          ticks: { show: false },
          size: hasTimes ? BOTTOM : 0,
          gap: 6,
          splits: (_plot, _axis, low, high) => this.ticks(low, high).at,
          values: () => (hasTimes ? this.ticks().labels : []),
        },
        {
          scale,
          stroke: colour("quiet"),
          font,
          grid,
          ticks: { show: false },
          size: this.gutter,
          gap: 6,
          space: Math.max(34, box.clientHeight / MOST_TICKS),
          values: (_plot, at, _axis, _space, step) => at.map((number) => numbers.tick(number, step)),
        },
      ],
      ...parts,
      hooks: {
        drawClear: [(plot) => this.drawEpisodes(plot)],
        draw: [(plot) => this.drawMarks(plot, scale, hasTimes)],
        setCursor: [(plot) => this.point(plot)],
      },
    };
    return new uPlot(
      options,
      parts.series.map(() => []),
      box,
    );
  }

  valueParts() {
    const line = (stroke, width, dash) => ({
      scale: "value",
      stroke,
      width,
      dash,
      points: { show: false },
      spanGaps: false,
    });
    const nothing = () => "transparent";
    return {
      series: [
        {},
        line(nothing, 0),
        line(nothing, 0),
        line(() => this.colours.expected, 1),
        {
          ...line(() => this.colours.value, 1.5),
          points: { show: (plot) => this.isSparse(plot), size: 4, fill: () => this.colours.value },
        },
        line(nothing, 0),
        line(nothing, 0),
        line(() => this.colours.expected, 1.4, [5, 4]),
      ],
      bands: [
        { series: [1, 2], fill: () => this.colours.band },
        { series: [5, 6], fill: () => `${this.colours.band}80` }, // half as strong
      ],
    };
  }

  scoreParts() {
    const line = (name, width, spanGaps) => ({
      scale: "score",
      stroke: () => this.colours[name],
      width,
      points: { show: false },
      spanGaps,
    });
    return { series: [{}, line("value", 1.2, false), line("limit", 1.5, true)] };
  }

  isSparse(plot) {
    return plot.data[0].length < this.pixels / 12;
  }

  // Draw what is there, with the next picture of the screen.
  draw() {
    if (!this.pending)
      this.pending = requestAnimationFrame(() => {
        this.pending = 0;
        this.drawNow();
      });
  }

  drawNow() {
    if (!this.plots.length) return;
    const [left, right] = this.view.range;
    const { columns } = this.points;
    const from = Math.max(0, this.points.placeOf(left) - 1);
    const to = Math.min(this.points.length, this.points.placeOf(right) + 1);
    const part = Object.fromEntries(Object.entries(columns).map(([name, column]) => [name, column.slice(from, to)]));
    this.part = part;
    const empty = part.index.map(() => null);
    const { floor } = this;
    const raised = (column) =>
      typeof floor === "number" ? column.map((one) => (one === null ? null : Math.max(one, floor))) : column;
    const [lower, upper] = this.layers.band ? [raised(part.lower), raised(part.upper)] : [empty, empty];
    const shown = (layer, name) => (this.layers[layer] ? part[name] : empty);
    const data = [
      part.index,
      upper,
      lower,
      shown("expected", "expected"),
      shown("value", "value"),
    ];
    this.addAhead(data, raised);
    this.show(this.plots[0], data, "value", usualRange(part.value, lower, upper) ?? [0, 1]);
    if (!this.hasScore) return;
    this.show(
      this.plots[1],
      [part.index, part.score, shown("threshold", "threshold")],
      "score",
      extent([...part.score, ...part.threshold]),
    );
  }

  // Show or hide what is expected next.
  lookAhead() {
    this.view.looksAhead = this.layers.forecast;
    this.ahead = null;
    this.changed();
  }

  // Put what is expected next behind the columns of points.
  addAhead(data, raised) {
    const { first, expected, lower, upper } =
      (this.view.live && this.ahead) || { first: 0, expected: [], lower: [], upper: [] };
    const before = data[0].map(() => null),
      none = expected.map(() => null);
    for (let k = 0; k < data.length; k++)
      data[k] = data[k].concat(k ? none : expected.map((_, step) => first + step));
    for (const column of [raised(upper), raised(lower), expected]) data.push(before.concat(column));
  }

  show(plot, data, scale, needed) {
    const [min, max] = (this.ranges[scale] = nextRange(this.ranges[scale], needed));
    const [left, right] = this.view.range;
    this.now = null;
    plot.batch(() => {
      plot.setData(data, false);
      plot.setScale("x", { min: left, max: right });
      plot.setScale(scale, { min, max });
    });
    plot.redraw(false, true);
    if (plot === this.plots[0]) this.point(plot);
  }

  // Places and labels of the ticks below: round times where there are times, else round numbers of points.
  ticks(low, high) {
    if (low === undefined || this.now) return this.now ?? { at: [], labels: [] };
    const most = Math.max(2, Math.floor(this.pixels / (this.isNarrow ? 74 : 96)));
    const { index, time } = this.part ?? { index: [], time: [] };
    const [from, to] = [time[0], time[time.length - 1]];
    if (index.length > 1 && from !== null && to !== null && to > from) {
      const { times, write } = numbers.roundTimes(from, to, most);
      const placed = times
        .map((one) => [this.points.indexAt(one), write(one)])
        .filter(([at]) => at !== null && at >= low && at <= high);
      const space = (0.7 * (high - low)) / most;
      const kept = placed.filter(([at], k) => k === 0 || at - placed[k - 1][0] > space);
      return (this.now = {
        at: kept.map(([at]) => at),
        labels: kept.map(([, label]) => label),
        day: `${numbers.day(to)} UTC`,
      });
    }
    const raw = (high - low) / most,
      power = 10 ** Math.floor(Math.log10(raw));
    const step = Math.max(1, [1, 2, 5, 10].find((one) => one * power >= raw) * power);
    const at = [];
    for (let one = Math.max(0, Math.ceil(low / step) * step); one <= high; one += step) at.push(one);
    return (this.now = { at, labels: at.map(numbers.count), day: "points" });
  }

  // Marks

  drawEpisodes(plot) {
    if (!this.layers.episode || !this.part) return;
    const { index, episode, is_anomaly: flags } = this.part;
    const { ctx, bbox } = plot;
    const least = 4 * devicePixelRatio;
    const shades = [];
    for (let k = 0; k < index.length; k++) {
      if (!flags[k]) continue;
      let last = k;
      // of a stream among many it is not kept which episode a point is in
      for (
        let j = k;
        episode[k] && j < index.length && (episode[j] === episode[k] || !flags[j]) && index[j] - index[last] <= 64;
        j++
      ) {
        if (flags[j] && episode[j] === episode[k]) last = j;
      }
      const from = plot.valToPos(index[k] - 0.5, "x", true),
        to = plot.valToPos(index[last] + 0.5, "x", true);
      const pad = Math.max(0, least - (to - from)) / 2;
      const begin = Math.max(bbox.left, from - pad),
        end = Math.min(bbox.left + bbox.width, to + pad);
      if (end > begin) shades.push([begin, end - begin]);
      k = last;
    }
    ctx.fillStyle = this.colours.episode;
    const height = shades.length < MANY_EPISODES ? bbox.height : STRIP * devicePixelRatio;
    for (const [begin, width] of shades) ctx.fillRect(begin, bbox.top, width, height);
  }

  drawMarks(plot, scale, hasTimes) {
    if (!this.part) return;
    const { ctx, bbox } = plot;
    const unit = devicePixelRatio;
    ctx.save();
    ctx.font = `${(this.isNarrow ? 11 : 12) * unit}px system-ui, "DejaVu Sans", sans-serif`;
    ctx.textBaseline = "middle";
    if (scale === "value") {
      if (this.layers.labelled) this.drawLabels(plot, unit);
      this.drawOthers(plot, unit);
      this.drawTrial(plot, unit);
      this.drawAlarms(plot, unit);
      this.drawNewest(plot, unit);
    } else {
      this.drawScoreAlarms(plot, unit);
    }
    this.drawPinned(plot, unit);
    if (hasTimes && this.now?.day) {
      ctx.fillStyle = this.colours.quiet;
      ctx.textAlign = "right";
      ctx.textBaseline = "alphabetic";
      ctx.fillText(this.now.day, bbox.left + bbox.width + (RIGHT - 6) * unit, plot.height * unit - 5 * unit);
    }
    ctx.restore();
  }

  drawAlarms(plot, unit) {
    const { index, value, expected, lower, upper, is_anomaly: flags, reason } = this.part;
    const { min, max } = plot.scales.value;
    const { ctx, bbox } = plot;
    const areMany = this.areMany(plot, unit);
    const size = (areMany ? 2 : 5) * unit;
    const labelled = [-Infinity, -Infinity],
      alarms = new Map(), // place in the part -> where its mark stands
      marks = [];
    for (let k = 0; k < index.length; k++) {
      const x = plot.valToPos(index[k], "x", true);
      if (x < bbox.left || x > bbox.left + bbox.width) continue;
      const side = value[k] === null ? 0 : value[k] > max ? 1 : value[k] < min ? -1 : 0;
      const isAlarm = flags[k] && this.layers.anomalous;
      if (!isAlarm && !(side && this.layers.value)) continue;
      ctx.fillStyle = isAlarm ? this.colours.anomaly : this.colours.value;
      if (side) {
        const y = side > 0 ? bbox.top + 6 * unit : bbox.top + bbox.height - 6 * unit;
        drawShape(ctx, side > 0 ? "up" : "down", x, y, 6 * unit);
        const which = side > 0 ? 0 : 1;
        if (x - labelled[which] > LABEL * unit) {
          const toLeft = x > bbox.left + bbox.width - LABEL * unit;
          ctx.textAlign = toLeft ? "right" : "left";
          ctx.fillText(numbers.full(value[k]), x + (toLeft ? -9 : 9) * unit, y);
          labelled[which] = x;
        }
        if (isAlarm) alarms.set(k, [x, y]);
        continue;
      }
      const height = value[k] ?? expected[k]; // a missing reading stands where it was expected
      const y = height === null ? bbox.top + bbox.height - 6 * unit : plot.valToPos(height, "value", true);
      const name = this.words.names[reason[k]] || sideOf(value[k], lower[k], upper[k]);
      const shape = name === "spike" ? "up" : name === "dip" ? "down" : "diamond";
      marks.push([areMany ? "diamond" : shape, x, y]);
      alarms.set(k, [x, y]);
    }
    ctx.fillStyle = this.colours.anomaly;
    for (const [shape, x, y] of marks) drawShape(ctx, shape, x, y, size, this.colours.page);
    if (alarms.size && !this.isNarrow && !this.view.all) this.drawReason(plot, unit, alarms);
  }

  // Whether there are so many alarms in view that their marks have to be small.
  areMany({ bbox }, unit) {
    return this.part.is_anomaly.reduce((sum, flag) => sum + flag, 0) * MANY_MARKS * unit > bbox.width;
  }

  // Stretches that the source labels as anomalous: a strip at the bottom.
  // Underline labelled stretches; where they are few, ring the points of those that have at most 2.
  drawLabels(plot, unit) {
    const { index, label, value } = this.part;
    const { ctx, bbox } = plot;
    const { min, max } = plot.scales.value;
    const ringed = [];
    let stretches = 0;
    ctx.fillStyle = this.colours.calm;
    for (let k = 0; k < index.length; k++) {
      if (label[k] <= 0) continue;
      const begin = k;
      while (k + 1 < index.length && label[k + 1] > 0) k++;
      const [left, right] = [index[begin] - 0.5, index[k] + 0.5].map((at) => plot.valToPos(at, "x", true));
      const from = Math.max(bbox.left, left);
      const to = Math.min(bbox.left + bbox.width, Math.max(right, left + 3 * unit));
      if (to > from) ctx.fillRect(from, bbox.top + bbox.height - 4 * unit, to - from, 4 * unit);
      stretches++;
      if (k - begin < 2) ringed.push(...new Set([begin, k]));
    }
    if (stretches >= MANY_EPISODES) return;
    ctx.strokeStyle = this.colours.calm;
    ctx.lineWidth = 1.3 * unit;
    ctx.setLineDash([]);
    for (const k of ringed) {
      const x = plot.valToPos(index[k], "x", true);
      const isInside = x >= bbox.left && x <= bbox.left + bbox.width && value[k] >= min && value[k] <= max;
      if (value[k] === null || !isInside) continue;
      ctx.beginPath();
      ctx.arc(x, plot.valToPos(value[k], "value", true), 9 * unit, 0, 2 * Math.PI);
      ctx.stroke();
    }
  }

  // What the detectors that judge along marked: a row of ticks for each, at the top, behind its name.
  drawOthers(plot, unit) {
    const { index, others } = this.part;
    const { ctx, bbox } = plot;
    ctx.textAlign = "left";
    this.others.forEach((name, bit) => {
      const y = bbox.top + (8 + ROW * bit) * unit;
      ctx.fillStyle = this.colours.quiet;
      for (let k = 0; k < index.length; k++) {
        const x = plot.valToPos(index[k], "x", true);
        if (!(others[k] & (1 << bit)) || x < bbox.left || x > bbox.left + bbox.width) continue;
        ctx.fillRect(x - unit, y - 5 * unit, 2 * unit, 10 * unit);
      }
      this.drawText(ctx, unit, name, bbox.left, y, this.colours.quiet);
    });
  }

  // What a choice would make of the alarms: a row of marks at the bottom.
  drawTrial(plot, unit) {
    if (!this.trial.length) return;
    const { ctx, bbox } = plot;
    const y = bbox.top + bbox.height - 14 * unit;
    ctx.globalAlpha = 0.85;
    ctx.fillStyle = this.colours.page;
    ctx.fillRect(bbox.left, y - 9 * unit, bbox.width, 18 * unit);
    ctx.globalAlpha = 1;
    ctx.textAlign = "center";
    const draw = [
      ["anomaly", (x) => ctx.fillRect(x - unit, y - 7 * unit, 2 * unit, 14 * unit)],
      ["limit", (x) => drawShape(ctx, "diamond", x, y, 6 * unit, this.colours.page)],
      ["quiet", (x) => ctx.fillText("\u00d7", x, y)],
    ];
    for (const k of [2, 0, 1]) {
      const [colour, mark] = draw[k];
      ctx.fillStyle = this.colours[colour];
      for (const index of this.trial[k]) {
        const x = plot.valToPos(index, "x", true);
        if (x >= bbox.left && x <= bbox.left + bbox.width) mark(x);
      }
    }
  }

  // Text with what lies below it veiled, from a left edge on.
  drawText(ctx, unit, text, left, y, colour) {
    ctx.globalAlpha = 0.85;
    ctx.fillStyle = this.colours.page;
    ctx.fillRect(left, y - 9 * unit, ctx.measureText(text).width + 12 * unit, 18 * unit);
    ctx.globalAlpha = 1;
    ctx.fillStyle = colour;
    ctx.textAlign = "left";
    ctx.fillText(text, left + 6 * unit, y);
  }

  // The newest alarm in view says why at its place, if that covers nothing there; `alarms` has the places of all marks.
  drawReason(plot, unit, alarms) {
    const { index } = this.part;
    const newest = [...alarms.keys()].pop();
    const alarm = this.alarmOf(index[newest]);
    const peak = alarm === null ? -1 : index.indexOf(alarm.peak);
    const k = alarms.has(peak) ? peak : newest;
    const text = k === peak ? alarm.why : this.words.reason(this.part, k);
    if (!text) return;
    const { ctx } = plot;
    const place = this.freePlace(plot, unit, alarms.get(k), ctx.measureText(text).width + 12 * unit);
    if (place) this.drawText(ctx, unit, text, ...place, this.colours.text);
  }

  // Left edge and middle of a line of text beside a mark where it covers no value; null where there is no such place.
  freePlace({ bbox, valToPos }, unit, [x, y], wide) {
    const { index, value, expected } = this.part;
    const [gap, margin, line] = [REASON_GAP * unit, REASON_MARGIN * unit, REASON_HEIGHT * unit];
    const right = bbox.left + bbox.width,
      bottom = bbox.top + bbox.height,
      reach = line / 2 + REASON_EDGE * unit;
    const within = (at) => Math.max(bbox.top, Math.min(at, bottom));
    const drawn = [];
    for (let k = 0; k < index.length; k++) {
      const height = value[k] ?? expected[k];
      if (height !== null) drawn.push([valToPos(index[k], "x", true), within(valToPos(height, "value", true))]);
    }
    const sides = [x + gap, x - gap - wide];
    for (const left of x < bbox.left + bbox.width / 2 ? sides : sides.reverse()) {
      if (left < bbox.left || left + wide > right) continue;
      for (const middle of REASON_LINES.map((lines) => y + lines * line)) {
        if (middle < bbox.top + reach || middle > bottom - reach) continue;
        const box = [left - margin, left + wide + margin, middle - line / 2 - margin, middle + line / 2 + margin];
        if (!crosses(drawn, box)) return [left, middle];
      }
    }
    return null;
  }

  drawNewest(plot, unit) {
    const { index, value, lower, upper } = this.points.columns;
    const last = index.length - 1;
    if (last < 0 || value[last] === null || !this.layers.value) return;
    const { ctx, bbox } = plot;
    const x = plot.valToPos(index[last], "x", true),
      right = bbox.left + bbox.width;
    if (x > right || index[last] !== this.points.end - 1 || this.points.end < this.view.end - this.view.width) return;
    const y = Math.max(bbox.top, Math.min(plot.valToPos(value[last], "value", true), bbox.top + bbox.height));
    ctx.fillStyle = this.colours.value;
    drawShape(ctx, "dot", x, y, 3.5 * unit, this.colours.page);
    ctx.textAlign = "left";
    const text = numbers.full(value[last], numbers.halfOf(lower[last], upper[last]));
    ctx.fillText(text, Math.min(x, right) + 8 * unit, y, right - x + (RIGHT - 10) * unit);
  }

  drawScoreAlarms(plot, unit) {
    if (!this.layers.anomalous) return;
    const { index, score, is_anomaly: flags } = this.part;
    const { ctx, bbox } = plot;
    const size = (this.areMany(plot, unit) ? 1.5 : 3) * unit;
    for (let k = 0; k < index.length; k++) {
      const x = plot.valToPos(index[k], "x", true);
      if (!flags[k] || score[k] === null || x < bbox.left || x > bbox.left + bbox.width) continue;
      const isHollow = isByBand(this.part, k);
      ctx.fillStyle = isHollow ? this.colours.page : this.colours.anomaly;
      drawShape(ctx, "dot", x, plot.valToPos(score[k], "score", true), size, isHollow ? this.colours.anomaly : null);
    }
  }

  drawPinned({ ctx, bbox, valToPos }, unit) {
    if (this.pinned === null) return;
    const x = valToPos(this.pinned, "x", true);
    if (x < bbox.left || x > bbox.left + bbox.width) return;
    ctx.strokeStyle = this.colours.text;
    ctx.lineWidth = unit;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
  }

  // The pointer

  point(plot) {
    const at = plot.cursor.left;
    const index = at === undefined || at < 0 ? null : plot.posToVal(at, "x");
    this.pointer = index;
    this.hovered(index ?? this.pinned, (6 * this.view.width) / this.pixels);
  }

  changed() {
    this.draw();
    this.moved();
  }
}

// What a point outside its band is where no reason is kept.
function sideOf(value, lower, upper) {
  if (value === null || lower === null || upper === null) return "";
  return value > upper ? "spike" : value < lower ? "dip" : "";
}

// Whether a line from point to point comes into a box: its left, right, upper and lower edge.
function crosses(points, [left, right, top, bottom]) {
  for (let k = 1; k < points.length; k++) {
    const [[x0, y0], [x1, y1]] = [points[k - 1], points[k]];
    if (x1 < left || x0 > right) continue;
    const at = (x) => (x1 > x0 ? y0 + ((y1 - y0) * (x - x0)) / (x1 - x0) : y0);
    const [begin, end] = [at(Math.max(x0, left)), at(Math.min(x1, right))];
    if (Math.min(begin, end) <= bottom && Math.max(begin, end) >= top) return true;
  }
  return false;
}

const HEADROOM = 0.08,
  LEAST_USED = 0.6; // of the range: free above and below; below which it shrinks

// The least and the greatest of numbers, some of which may be missing.
function extent(numbers) {
  let [least, greatest] = [Infinity, -Infinity];
  for (const number of numbers) {
    if (number === null) continue;
    least = Math.min(least, number);
    greatest = Math.max(greatest, number);
  }
  return least <= greatest ? [least, greatest] : [0, 1];
}

// A range that holds what is needed; the one before as long as it fits, so that the axis seldom moves.
function nextRange(before, [low, high]) {
  const size = high - low || Math.max(Math.abs(high) * 0.1, 1e-9);
  if (before && before[0] <= low && before[1] >= high && size >= LEAST_USED * (before[1] - before[0])) return before;
  return [low - HEADROOM * size, high + 2 * HEADROOM * size];
}

function drawShape(ctx, shape, x, y, size, edge) {
  ctx.beginPath();
  if (shape === "dot") ctx.arc(x, y, size, 0, 2 * Math.PI);
  else if (shape === "diamond") {
    for (const [a, b] of [
      [0, -1],
      [1, 0],
      [0, 1],
      [-1, 0],
    ])
      ctx.lineTo(x + a * size, y + b * size);
  } else {
    const way = shape === "up" ? -1 : 1;
    for (const [a, b] of [
      [0, way],
      [1, -way * 0.8],
      [-1, -way * 0.8],
    ])
      ctx.lineTo(x + a * size, y + b * size);
  }
  ctx.closePath();
  ctx.fill();
  if (!edge) return;
  ctx.setLineDash([]); // the lines of the chart leave theirs
  ctx.strokeStyle = edge;
  ctx.lineWidth = Math.max(1, size / 5);
  ctx.stroke();
}

// The points that the page has: what the server sends, taken apart and put together.

// As the server writes them: name, kind.
const WIRE = [
  ["index", Float64Array],
  ["time", Float64Array],
  ["value", Float64Array],
  ["expected", Float64Array],
  ["lower", Float64Array],
  ["upper", Float64Array],
  ["score", Float32Array],
  ["threshold", Float32Array],
  ["p_value", Float32Array],
  ["episode", Uint32Array],
  ["reason", Uint8Array],
  ["is_anomaly", Uint8Array],
];

// Facts and columns of a message: four bytes with the length of the JSON behind them, the JSON, the columns.
export function takeApart(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const facts = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const columns = {};
  let at = 4 + length;
  for (const [name, Kind] of WIRE) {
    columns[name] = Array.from(new Kind(buffer, at, facts.n), (number) => (Number.isFinite(number) ? number : null));
    at += facts.n * Kind.BYTES_PER_ELEMENT;
  }
  return { facts, columns };
}

export class Points {
  constructor() {
    this.columns = Object.fromEntries(WIRE.map(([name]) => [name, []]));
    this.end = 0; // stream index behind the newest point
  }

  get length() {
    return this.columns.index.length;
  }

  // Take a message: a whole stretch, or what follows; `kept` points before the end stay.
  take({ facts, columns }, kept) {
    this.end = facts.end;
    if (facts.whole) {
      this.columns = columns;
      return;
    }
    const cut = this.placeOf(facts.from);
    const old = Math.max(0, this.placeOf(facts.end - 2 * kept));
    const drop = old > 2000 || old > cut / 2 ? Math.min(old, cut) : 0;
    for (const [name] of WIRE) {
      const column = this.columns[name];
      column.length = cut;
      if (drop) column.splice(0, drop);
      for (const number of columns[name]) column.push(number);
    }
  }

  // Place of the first point whose stream index is at least so large.
  placeOf(index) {
    return lowerBound(this.columns.index, index);
  }

  // Place of the point nearest to a stream index; -1 where there is none. An anomaly within `reach` is preferred.
  nearest(index, reach) {
    const { index: indices, is_anomaly: flags } = this.columns;
    if (!indices.length) return -1;
    const from = lowerBound(indices, index - reach),
      to = lowerBound(indices, index + reach);
    let best = -1;
    for (let k = from; k < to; k++) {
      if (flags[k] && (best < 0 || Math.abs(indices[k] - index) < Math.abs(indices[best] - index))) best = k;
    }
    if (best >= 0) return best;
    const after = Math.min(lowerBound(indices, index), indices.length - 1);
    return after > 0 && index - indices[after - 1] < indices[after] - index ? after - 1 : after;
  }

  // Stream index of the first point at or after a time; times do not go back.
  indexAt(time) {
    const { index, time: times } = this.columns;
    let low = 0,
      high = times.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (times[middle] !== null && times[middle] < time) low = middle + 1;
      else high = middle;
    }
    if (low === 0 || low >= times.length) return low < times.length ? index[low] : null;
    const share = (time - times[low - 1]) / (times[low] - times[low - 1]);
    return index[low - 1] + share * (index[low] - index[low - 1]);
  }
}

function lowerBound(sorted, wanted) {
  let low = 0,
    high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

const FLATTENED = 8; // a value so many times farther off than the next one would flatten the rest
const BAND_REACH = 1.3; // times as far as the values go, beyond which a band is cut off
const WILD_SHARE = 0.05,
  MOST_WILD = 25; // of the points: more are no exception

// The range of what is usual among values: without the few that would flatten all others. Null where there are none.
export function usualRange(values, bands) {
  const sorted = values.filter((value) => value !== null).sort((a, b) => a - b);
  if (!sorted.length) return null;
  const middle = sorted[sorted.length >> 1];
  let low = 0,
    high = sorted.length - 1;
  const distance = (k) => Math.abs(sorted[k] - middle);
  const most = Math.max(1, Math.min(MOST_WILD, Math.floor(WILD_SHARE * sorted.length)));
  for (let k = 0, a = 0, b = sorted.length - 1; k < most && b - a > 2; k++) {
    const far = distance(a) > distance(b) ? distance(a++) : distance(b--);
    if (far > FLATTENED * Math.max(distance(a), distance(b)) && Math.max(distance(a), distance(b)) > 0)
      [low, high] = [a, b];
  }
  const reach = BAND_REACH * Math.max(distance(low), distance(high));
  let [least, greatest] = [sorted[low], sorted[high]];
  for (const edge of bands) {
    if (edge === null || Math.abs(edge - middle) > reach) continue;
    least = Math.min(least, edge);
    greatest = Math.max(greatest, edge);
  }
  return [least, greatest];
}

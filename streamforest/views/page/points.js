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
  ["label", Int8Array],
  ["others", Uint8Array],
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
const MOST_WILD = 25; // values that are left out
const WILD_SHARE = 0.05; // of the values: more are no exception
const BAND_REACH = 2; // times as far as the values go, beyond which a band is cut off
const BAND_SHARE = 0.9; // of the band's edges that should be in view

// The range of what is usual among values: without the few that would flatten all others. Null where there are none.
export function usualRange(values, lower, upper) {
  const sorted = ascending(values);
  if (!sorted.length) return null;
  const middle = sorted[sorted.length >> 1];
  const [low, high] = withoutWild(sorted, middle);
  const reach = BAND_REACH * Math.max(middle - low, high - middle) || Infinity;
  const bottom = ascending(lower),
    top = ascending(upper);
  const edge = (edges, share) => (edges.length ? edges[Math.round(share * (edges.length - 1))] : middle);
  return [
    Math.min(low, Math.max(edge(bottom, 1 - BAND_SHARE), middle - reach)),
    Math.max(high, Math.min(edge(top, BAND_SHARE), middle + reach)),
  ];
}

function ascending(numbers) {
  return numbers.filter((number) => number !== null).sort((a, b) => a - b);
}

// The least and the greatest of sorted values but for those that are far from the middle and from all others.
function withoutWild(sorted, middle) {
  const most = Math.max(1, Math.min(MOST_WILD, Math.floor(WILD_SHARE * sorted.length)));
  let [low, high] = [0, sorted.length - 1];
  const distance = (k) => Math.abs(sorted[k] - middle);
  for (let left = 0, right = high, n = 0; n < most && right - left > 2; n++) {
    const far = distance(left) > distance(right) ? distance(left++) : distance(right--);
    const next = Math.max(distance(left), distance(right));
    if (next > 0 && far > FLATTENED * next) [low, high] = [left, right];
  }
  return [sorted[low], sorted[high]];
}

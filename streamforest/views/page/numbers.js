// Numbers and times as text, the same everywhere on the page. Times are UTC.

const short = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 3 });
const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const MINUS = "\u2212",
  NONE = "\u2013";
const DIGITS = 5,
  FINE_DIGITS = 3; // of a number by itself, and of what tells how finely numbers beside it are written
const LARGEST = 1e12,
  LEAST = 1e-4; // from and below which numbers have a power of ten
const MOST_DECIMALS = 12;

// A number with as many decimals as give `half`, half the width of the band around it, 3 digits; with 5 digits without
// it: as the window, the terminal and the log write it.
export function full(number, half = null) {
  if (number === null || number === undefined || Number.isNaN(number)) return NONE;
  const size = Math.abs(number);
  if (size >= LARGEST || (size > 0 && size < LEAST)) return powered(number, DIGITS);
  const [scale, digits] = half > 0 ? [half, FINE_DIGITS] : [size, DIGITS];
  const decimals = scale > 0 ? digits - 1 - Math.floor(Math.log10(scale)) : 0;
  const form = { maximumFractionDigits: Math.min(Math.max(decimals, 0), MOST_DECIMALS) };
  const text = number.toLocaleString("en-US", form).replace("-", MINUS);
  return text === `${MINUS}0` ? "0" : text;
}

function powered(number, digits) {
  return Number(number.toPrecision(digits)).toExponential().replace("+", "").replace("-", MINUS);
}

// A number by itself, of which no more than 3 digits say anything.
export const brief = (number) => full(number === null ? null : Number(Number(number).toPrecision(FINE_DIGITS)));
export const count = (number) => whole.format(number);

export function percent(share) {
  return share === null ? NONE : `${short.format(100 * share)} %`;
}

// Digits behind the point that a step between ticks needs, at most so many.
function digitsOf(step) {
  const most = 8;
  for (let digits = 0; digits < most; digits++) {
    if (Math.abs(Number(step.toFixed(digits)) - step) < 1e-6 * step) return digits;
  }
  return most;
}

// A number with the digits that a step between ticks needs.
export function tick(number, step) {
  if (Math.abs(number) >= 1e7 || (step > 0 && step < 1e-5)) {
    return number === 0 ? "0" : number.toPrecision(4).replace("-", MINUS);
  }
  const digits = digitsOf(step);
  const form = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return number.toLocaleString("en-US", form).replace("-", MINUS);
}

const two = (number) => String(number).padStart(2, "0");
const isTime = (seconds) => Number.isFinite(seconds) && Math.abs(seconds) < 8e12;

export function day(seconds) {
  return new Date(1000 * seconds).toISOString().slice(0, 10);
}

export function clock(seconds, withSeconds = true) {
  const date = new Date(1000 * seconds);
  return `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}${withSeconds ? `:${two(date.getUTCSeconds())}` : ""}`;
}

let newestDay = "";

// See what the day is in the stream: what is of the same one is written without it.
export function setNewest(seconds) {
  newestDay = isTime(seconds) ? day(seconds) : "";
}

// A point's place: its time, with as much of the day as the newest point's day leaves open, or its number where it has
// no time.
export function place(seconds, index) {
  if (!isTime(seconds)) return `point\u00a0${count(index)}`;
  const own = day(seconds);
  if (own === newestDay) return clock(seconds);
  return `${own.slice(0, 4) === newestDay.slice(0, 4) ? own.slice(5) : own} ${clock(seconds)}`;
}

// Half the width of a band; null where one of its ends is unknown.
export const halfOf = (lower, upper) => (lower === null || upper === null ? null : (upper - lower) / 2);

// What was expected, and half the width of the band; a line breaks before or behind both.
export function expected(middle, half) {
  return half === null ? full(middle) : `${full(middle, half)}\u00a0\u00b1\u00a0${brief(half)}`;
}

export function usual(lower, upper) {
  const half = halfOf(lower, upper);
  return `${full(lower, half)} to ${full(upper, half)}`;
}

// Why a point is unusual: the name of the reason, the reading, what was expected.
export function why(name, value, middle, half) {
  const reading = value === null ? "no reading" : full(value, half);
  return [name, middle === null ? reading : `${reading}, expected ${expected(middle, half)}`];
}

const STEPS = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 259200, 345600,
  604800,
];

// Round times from one moment to another, at most so many, and how each is written.
export function roundTimes(from, to, most) {
  const wanted = (to - from) / most;
  let step = STEPS.find((one) => one >= wanted);
  if (step === undefined) step = 604800 * Math.ceil(wanted / 604800);
  if (wanted < 0.5) step = 10 ** Math.ceil(Math.log10(Math.max(wanted, 1e-3)));
  const times = [];
  for (let time = Math.ceil(from / step) * step; time <= to && times.length <= 2 * most; time += step)
    times.push(time);
  const write = (time) => {
    if (step >= 86400 || time % 86400 === 0) return day(time).slice(5);
    if (step < 1) return `${clock(time)}${(time % 1).toFixed(2).slice(1)}`;
    return clock(time, step < 60);
  };
  return { times, write };
}

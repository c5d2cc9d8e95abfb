// Numbers and times as text, the same everywhere on the page. Times are UTC.

const grouped = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 6 });
const short = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 3 });
const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const MINUS = "\u2212",
  NONE = "\u2013";

function written(number, form, digits) {
  if (number === null || number === undefined || Number.isNaN(number)) return NONE;
  const size = Math.abs(number);
  const text =
    size !== 0 && (size >= 1e9 || size < 1e-4)
      ? Number(number.toPrecision(digits)).toExponential()
      : form.format(number);
  return text.replace("-", MINUS);
}

export const full = (number) => written(number, grouped, 6);
export const brief = (number) => written(number, short, 3);
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
  if (!isTime(seconds)) return `point ${count(index)}`;
  const own = day(seconds);
  if (own === newestDay) return clock(seconds);
  return `${own.slice(0, 4) === newestDay.slice(0, 4) ? own.slice(5) : own} ${clock(seconds)}`;
}

// A number with no more digits than half the band around it has.
function rounded(number, half) {
  const digits = half > 0 ? Math.min(12, Math.max(0, 2 - Math.floor(Math.log10(half)))) : 12;
  return full(Number(number.toFixed(digits)));
}

export function expected(middle, half) {
  return half === null ? full(middle) : `${rounded(middle, half)} \u00b1 ${brief(half)}`;
}

export function usual(lower, upper) {
  const half = (upper - lower) / 2;
  return `${rounded(lower, half)} to ${rounded(upper, half)}`;
}

// Why a point is unusual: the name of the reason, the reading, what was expected.
export function why(name, value, middle, half) {
  const reading = value === null ? "no reading" : full(value);
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

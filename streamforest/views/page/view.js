// Which stretch of the stream is in view: it follows the newest points, or stands still where the visitor put it.

const SPAN = 500,
  NARROWEST = 10; // points: at first, and at least
const SECONDS_IN_VIEW = 10; // at least, as long as the visitor has not chosen a width
const LEAST_WIDTH = 64,
  GROWTH = 1.2; // points of a view that grows with a young stream, and by how much it does
const AHEAD = 1 / 5; // of the width, which what is expected next adds: a sixth of all that is shown then
const MARGIN = 0.5; // of its width, which a view that stands still has ready on each side

export class View {
  constructor() {
    this.first = this.end = 0; // stream indices of the points that are kept
    this.capacity = Infinity;
    this.span = SPAN;
    this.chosen = false;
    this.held = null; // left and right edge of a view that stands still
    this.looksAhead = false; // whether what is expected next is shown behind the newest points
    this.all = false; // a few points of one of many streams, all of which are shown
  }

  get live() {
    return this.held === null;
  }

  // Left and right edge, as stream indices of points and half a point beyond.
  get range() {
    const [left, right] = this.past;
    return [left, right + (this.live && !this.all && this.looksAhead ? Math.round(AHEAD * (right - left)) : 0)];
  }

  // The same of the points that are there.
  get past() {
    if (this.held) return this.held;
    if (this.all) return [-0.5, Math.max(2, this.end) - 0.5];
    let width = LEAST_WIDTH;
    while (width < Math.min(this.end - this.first, this.span)) width = Math.ceil(GROWTH * width);
    width = Math.min(width, Math.max(this.span, NARROWEST));
    const left = this.first === 0 && this.end <= width ? 0 : this.end - width;
    return [left - 0.5, left + width - 0.5];
  }

  get width() {
    return this.range[1] - this.range[0];
  }

  // See how far the stream has come, and how fast that goes.
  follow({ first, end, capacity }, rate) {
    this.first = first;
    this.end = end;
    this.capacity = Math.max(capacity, NARROWEST);
    this.span = Math.min(this.span, this.capacity);
    while (!this.chosen && this.span < Math.min(rate * SECONDS_IN_VIEW, this.capacity)) {
      this.span = Math.min(2 * this.span, this.capacity);
    }
  }

  hold(left = this.range[0], width = this.width) {
    const least = this.first - 0.5,
      most = Math.max(least, this.end - 0.5 - width);
    const begin = Math.max(least, Math.min(left, most));
    this.held = [begin, begin + width];
  }

  goLive() {
    this.held = null;
  }

  move(points) {
    this.hold(this.range[0] + points);
  }

  get widest() {
    return this.all ? Math.max(2, this.end) : this.capacity;
  }

  // Make the view so many times as wide, around a stream index; without one it stays where it is, and live.
  zoom(factor, at = null) {
    const [left, right] = at === null ? this.past : this.range;
    const width = factor * (right - left);
    if (at === null && this.live && !this.all) this.choose(width);
    else {
      const pivot = at ?? (left + right) / 2;
      this.grasp(pivot, width, (pivot - left) / (right - left), true);
    }
  }

  // Stand still with a stream index at a share of the view, from the left; with `isChoice` the width stays afterwards.
  grasp(index, width, share, isChoice) {
    const limited = Math.max(NARROWEST, Math.min(width, this.widest));
    if (isChoice) this.choose(limited);
    this.hold(index - share * limited, limited);
  }

  choose(width) {
    this.chosen = true;
    this.span = Math.round(Math.max(NARROWEST, Math.min(width, this.widest)));
  }

  // Stand still around a point.
  show(index) {
    this.hold(index - this.width / 2);
  }

  // What the server is asked for: left edge or null, points, columns.
  wish(pixels) {
    if (this.live) return [null, this.span, Math.round(pixels)];
    const [left, right] = this.held;
    const width = right - left;
    const begin = Math.max(0, Math.floor(left - MARGIN * width));
    return [begin, Math.ceil(right + MARGIN * width) - begin, Math.round(pixels * (1 + 2 * MARGIN))];
  }
}

// What a visitor does to the chart with a mouse or fingers: wheel and two fingers zoom, a drag moves, two taps go live.

const WHEEL = 0.0016,
  MOST_WHEEL = 0.7; // logarithm of the zoom: of a pixel of the wheel, and of an event
const LINE = 16; // pixels of a wheel that counts lines
const TAP = 5,
  DOUBLE_TAP = 350; // pixels that a tap may move; milliseconds between two that belong together
const LEAST_SPREAD = 24; // pixels between two fingers, or small moves would zoom far

export class Gestures {
  // `over` is the area of a plot; `changed` hears of another view, `ended` of the last finger that leaves, `tapped` of a
  // stream index, `live` of two taps.
  constructor(over, view, { changed, ended, tapped, live }) {
    Object.assign(this, { over, view, changed, ended, tapped, live });
    this.fingers = new Map(); // place across the page, by pointer
    this.start = null;
    this.tappedAt = 0;
    over.addEventListener("pointerdown", (event) => this.press(event));
    over.addEventListener("pointermove", (event) => this.drag(event));
    over.addEventListener("pointerup", (event) => this.release(event));
    over.addEventListener("pointercancel", (event) => this.release(event));
    over.addEventListener("dblclick", () => this.live());
    over.addEventListener("wheel", (event) => this.turn(event), { passive: false });
  }

  // Stream index at a place across the page, in a view.
  indexAt(x, [left, right] = this.view.range) {
    const box = this.over.getBoundingClientRect();
    return left + ((x - box.left) / box.width) * (right - left);
  }

  get middle() {
    return [...this.fingers.values()].reduce((sum, x) => sum + x, 0) / this.fingers.size;
  }

  get spread() {
    const [one, other] = this.fingers.values();
    return other === undefined ? null : Math.max(LEAST_SPREAD, Math.abs(one - other));
  }

  begin(moved) {
    this.start = { x: this.middle, range: this.view.range, spread: this.spread, moved };
  }

  press(event) {
    if (event.button) return;
    this.fingers.set(event.pointerId, event.clientX);
    this.over.setPointerCapture(event.pointerId);
    this.begin(this.fingers.size > 1);
  }

  drag(event) {
    if (!this.fingers.has(event.pointerId)) return;
    this.fingers.set(event.pointerId, event.clientX);
    const { x, range, spread } = this.start;
    if (!this.start.moved && Math.abs(this.middle - x) < TAP) return;
    this.start.moved = true;
    this.over.classList.add("moving");
    const grown = spread === null ? 1 : spread / this.spread;
    this.view.grasp(this.indexAt(x, range), (range[1] - range[0]) * grown, this.shareAt(this.middle), grown !== 1);
    this.changed();
  }

  shareAt(x) {
    const box = this.over.getBoundingClientRect();
    return (x - box.left) / box.width;
  }

  release(event) {
    if (!this.fingers.delete(event.pointerId)) return;
    if (this.fingers.size) {
      this.begin(true);
      return;
    }
    this.over.classList.remove("moving");
    if (event.type === "pointerup" && !this.start.moved) this.tap(event);
    this.start = null;
    this.ended();
  }

  tap(event) {
    // not every browser makes a double click of two taps
    if (event.pointerType === "touch" && event.timeStamp - this.tappedAt < DOUBLE_TAP) this.live();
    else this.tapped(Math.round(this.indexAt(event.clientX)));
    this.tappedAt = event.timeStamp;
  }

  turn(event) {
    event.preventDefault();
    const unit = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? LINE : 1;
    if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      this.view.move((event.deltaX * unit * this.view.width) / this.over.clientWidth);
    } else {
      const zoom = Math.max(-MOST_WHEEL, Math.min(event.deltaY * unit * WHEEL, MOST_WHEEL));
      this.view.zoom(Math.exp(zoom), this.indexAt(event.clientX));
    }
    this.changed();
  }
}

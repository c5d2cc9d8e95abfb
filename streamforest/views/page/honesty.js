// Alarms asked for and got: rates with their intervals, and the strip of p-values, which is flat if they are honest.

const WIDTH = 200,
  HEIGHT = 64,
  GAP = 1;

export class Honesty {
  constructor(box) {
    this.box = box;
    this.shown = "";
  }

  take(facts) {
    const text = JSON.stringify(facts);
    if (!this.box.open || text === this.shown) return;
    this.shown = text;
    const { rows, strip, words } = facts;
    const list = this.box.querySelector("dl");
    list.replaceChildren(
      ...rows.flatMap((parts) => parts.map((part, k) => Object.assign(document.createElement(k ? "dd" : "dt"), { textContent: part }))),
    );
    this.box.querySelector("p").textContent = words;
    const mean = strip.reduce((sum, count) => sum + count, 0) / (strip.length || 1);
    const wide = WIDTH / (strip.length || 1);
    const bars = strip.map((count, k) => {
      const high = mean ? HEIGHT * Math.min((0.5 * count) / mean, 1) : 0;
      return `M${k * wide + GAP} ${HEIGHT}V${HEIGHT - high}H${(k + 1) * wide - GAP}V${HEIGHT}Z`;
    });
    this.box.querySelector(".bars").setAttribute("d", bars.join(""));
    this.box.querySelector(".flat").setAttribute("d", `M0 ${HEIGHT / 2}H${WIDTH}`);
  }

  toggle(facts) {
    if (this.box.open) return this.box.close();
    this.box.showModal();
    this.shown = "";
    this.take(facts);
  }
}

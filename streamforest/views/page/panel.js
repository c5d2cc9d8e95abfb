// The panel of choices: sliders for other settings, or rules to choose from, and what each would change.

const STEPS = 1000; // of a slider, from end to end

export class Panel {
  // `send` takes a message for the run; `shown` hears of the marks, and whether the panel is open.
  constructor(box, { send, shown }) {
    Object.assign(this, { box, send, shown });
    this.isOpen = false;
    this.rows = [];
    const part = (name) => box.querySelector(name);
    this.parts = { title: part("h2"), list: part("ol"), result: part("output"), take: part("[data-panel='take']") };
  }

  take({ panel }) {
    const wasOpen = this.isOpen;
    this.isOpen = panel !== null;
    this.box.hidden = !this.isOpen;
    if (this.isOpen) this.show(panel);
    else this.parts.list.replaceChildren((this.rows = []));
    if (this.isOpen && !wasOpen) this.box.focus();
    this.shown(this.isOpen ? panel.marks : []);
  }

  show({ title, rows, chosen, result, has_choice: hasChoice }) {
    const { list, result: output, take } = this.parts;
    this.write(this.parts.title, title);
    this.write(output, result);
    this.box.toggleAttribute("data-tells", !hasChoice);
    take.hidden = !hasChoice;
    const kind = rows.map(([name, , share]) => `${name}${share === null}`).join();
    if (list.dataset.kind !== kind || list.children.length !== rows.length) this.build(rows, kind);
    rows.forEach((row, k) => this.showRow(k, row, k === chosen));
    take.disabled = !rows.some(([, , share, isChanged]) => share === null || isChanged);
  }

  build(rows, kind) {
    const { list } = this.parts;
    list.dataset.kind = kind;
    this.rows = rows.map(([name, , share], k) => {
      const item = document.createElement("li");
      const label = document.createElement("label");
      const value = document.createElement("span");
      const input = document.createElement("input");
      const words = document.createElement("span");
      input.type = share === null ? "radio" : "range";
      input.name = "choice";
      if (share !== null) input.max = STEPS;
      input.addEventListener("input", () => {
        this.send(share === null ? { panel: "choose", row: k } : { panel: "slide", row: k, share: input.value / STEPS });
      });
      words.textContent = name;
      label.append(...(share === null ? [input, words, value] : [words, value, input]));
      item.append(label);
      return { item, value, input };
    });
    list.replaceChildren(...this.rows.map(({ item }) => item));
  }

  showRow(k, [name, text, share, isChanged], isChosen) {
    const { item, value, input } = this.rows[k];
    this.write(value, text);
    item.toggleAttribute("data-changed", isChanged);
    item.toggleAttribute("data-chosen", isChosen);
    if (share === null) input.checked = isChosen;
    else {
      input.value = Math.round(share * STEPS);
      input.setAttribute("aria-valuetext", `${name}: ${text}`);
    }
  }

  write(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }
}

// Incidents across streams, the newest first: who moved first, how sure that is, who followed and when.

import * as numbers from "./numbers.js";

const SHOWN = 3; // of those who followed, in the line itself

export class Incidents {
  // `chosen` hears of the key of a stream that is asked for.
  constructor(box, { chosen }) {
    Object.assign(this, { box, chosen });
    this.list = box.querySelector("ol");
  }

  take({ incidents, found }) {
    this.box.hidden = found === 0;
    this.box.querySelector("h2").textContent = found === 1 ? "1 incident" : `${numbers.count(found)} incidents`;
    const open = new Set([...this.list.querySelectorAll("details[open]")].map((one) => one.dataset.id));
    this.list.replaceChildren(...incidents.map((facts) => this.item(facts, open)));
  }

  item({ id, start, sure, by_chance: chance, streams, members }, open) {
    const item = document.createElement("li");
    const details = document.createElement("details");
    const line = document.createElement("summary");
    const time = document.createElement("span");
    const first = document.createElement("strong");
    const [[key], ...others] = members;
    time.textContent = start === null ? "" : numbers.place(start, 0);
    first.textContent = key;
    const names = others.slice(0, SHOWN).map(([name]) => name);
    const more = streams - 1 - names.length;
    line.append(
      time,
      ` ${numbers.count(streams)} streams, first `,
      first,
      ` (${Math.round(100 * sure)} % sure), then ${names.join(", ")}${more > 0 ? ` and ${numbers.count(more)} more` : ""}`,
    );
    const note = document.createElement("p");
    note.textContent = `About ${numbers.brief(chance)} of them would be there by chance.`;
    details.dataset.id = id;
    details.open = open.has(id);
    details.append(line, note, this.members(members, start));
    item.append(details);
    return item;
  }

  members(members, start) {
    const list = document.createElement("ol");
    list.append(
      ...members.map(([key, begun, reason]) => {
        const item = document.createElement("li");
        const name = document.createElement("button");
        name.textContent = key;
        name.addEventListener("click", () => this.chosen(key));
        const later = start === null || begun === null ? "" : ` +${numbers.brief(begun - start)} s`;
        item.append(name, `${later}  ${reason.replace("+-", "\u00b1")}`);
        return item;
      }),
    );
    return list;
  }
}

// The nodes as a table of which only the rows in sight exist, so that ten thousand cost what fifty do.
//
// The table itself keeps the focus and points at the row that is meant (`aria-activedescendant`), since the row may be
// scrolled out and gone; `aria-rowcount` and `aria-rowindex` say where it is among all of them.

import { make, say } from "./dom.js";
import { stateOf } from "./model.js";

const ROW = 28;
const SPARE = 12;

export class Table {
  constructor(scroller, grid, body, open) {
    Object.assign(this, { scroller, grid, body, open, rows: [], active: 0, drawn: "" });
    this.above = make("tr", { "aria-hidden": "true", class: "space" }, make("td", { colspan: 5 }));
    this.below = make("tr", { "aria-hidden": "true", class: "space" }, make("td", { colspan: 5 }));
    this.pool = [];
    this.waits = false;
    scroller.addEventListener("scroll", () => this.#soon(), { passive: true });
    new ResizeObserver(() => this.#soon()).observe(scroller);
    grid.addEventListener("keydown", (event) => this.#key(event));
    grid.addEventListener("focus", () => this.#point());
    body.addEventListener("click", (event) => {
      const line = event.target.closest("tr[data-place]");
      if (line) {
        this.active = Number(line.dataset.place);
        this.draw();
        this.open(this.rows[this.active]);
      }
    });
  }

  // Shows other rows. The one that is meant stays meant, wherever it is now.
  show(rows) {
    const meant = this.rows[this.active]?.name;
    this.rows = rows;
    const found = rows[this.active]?.name === meant ? this.active : rows.findIndex((row) => row.name === meant);
    this.active = Math.max(0, Math.min(found < 0 ? this.active : found, rows.length - 1));
    this.grid.setAttribute("aria-rowcount", String(rows.length + 1));
    this.draw();
  }

  #soon() {
    if (!this.waits) {
      this.waits = true;
      requestAnimationFrame(() => {
        this.waits = false;
        this.draw();
      });
    }
  }

  draw() {
    const height = this.scroller.clientHeight || 400;
    const first = Math.max(0, Math.floor(this.scroller.scrollTop / ROW) - SPARE);
    const last = Math.min(this.rows.length, Math.ceil((this.scroller.scrollTop + height) / ROW) + SPARE);
    while (this.pool.length < last - first) {
      this.pool.push(this.#line());
    }
    this.above.firstChild.style.height = `${first * ROW}px`;
    this.below.firstChild.style.height = `${Math.max(0, this.rows.length - last) * ROW}px`;
    const amount = Math.max(0, last - first);
    for (let place = 0; place < amount; place += 1) {
      this.#write(this.pool[place], first + place);
    }
    if (this.drawn !== amount) {
      this.drawn = amount;
      this.body.replaceChildren(this.above, ...this.pool.slice(0, amount).map((line) => line.element), this.below);
    }
    this.#point();
  }

  #line() {
    const [name, group, mesos, why] = [make("th", { scope: "row" }), make("td"), make("td"), make("td", { class: "why" })];
    const word = make("span");
    const state = make("td", {}, make("i", { "aria-hidden": "true" }), word);
    return { element: make("tr", { role: "row" }, name, group, mesos, state, why), name, group, mesos, state, word, why };
  }

  #write(line, place) {
    const row = this.rows[place];
    say(line.name, row.name);
    say(line.group, row.group || row.role);
    say(line.mesos, row.mesos || "–");
    say(line.word, stateOf(row.state).text);
    say(line.why, row.why);
    line.state.className = `state is-${stateOf(row.state).id}`;
    line.element.dataset.place = String(place);
    line.element.id = `row-${place}`;
    line.element.setAttribute("aria-rowindex", String(place + 2));
    line.element.setAttribute("aria-selected", String(place === this.active));
  }

  #point() {
    if (document.getElementById(`row-${this.active}`)) {
      this.grid.setAttribute("aria-activedescendant", `row-${this.active}`);
    } else {
      this.grid.removeAttribute("aria-activedescendant");
    }
  }

  #key(event) {
    const page = Math.max(1, Math.floor(this.scroller.clientHeight / ROW) - 2);
    const to = {
      ArrowDown: this.active + 1,
      ArrowUp: this.active - 1,
      PageDown: this.active + page,
      PageUp: this.active - page,
      Home: 0,
      End: this.rows.length - 1,
    }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      this.#reach(Math.max(0, Math.min(to, this.rows.length - 1)));
    } else if (event.key === "Enter" && this.rows[this.active]) {
      event.preventDefault();
      this.open(this.rows[this.active]);
    }
  }

  // Makes a row the one that is meant, and brings it into sight below the heading, which stays where it is.
  #reach(place) {
    this.active = place;
    const [top, height] = [place * ROW, this.scroller.clientHeight - ROW];
    if (top < this.scroller.scrollTop) {
      this.scroller.scrollTop = top;
    } else if (top + ROW > this.scroller.scrollTop + height) {
      this.scroller.scrollTop = top + ROW - height;
    }
    this.draw();
  }
}

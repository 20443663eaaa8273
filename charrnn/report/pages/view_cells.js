const MOST_ACTIVE = "anything: most active first";
const BY_NUMBER = "anything: by number";

/** Whether no cell tracks a probe, for example because the text has nothing of its kind. */
const isIdle = (follows) => follows.every((value) => value === 0);

/** The list of cells, ranked by how closely they track a probe. */
class Ranking {
  constructor(reading, whenChosen) {
    this.reading = reading;
    this.whenChosen = whenChosen;
    this.list = find("ranking");
    this.select = find("probe");
    this.chosen = 0;
    this.scrollTop = 0; // kept, like the heights: reading it after a change would force a new layout
    this.list.addEventListener("scroll", () => (this.scrollTop = this.list.scrollTop), { passive: true });
    new ResizeObserver(() => this.measure()).observe(this.list);
    this.options = Array.from({ length: reading.cellCount }, (_, cell) => this.makeOption(cell));
    this.orders = new Map(reading.probes.map((probe) => [probe.name, { ...probe, isSigned: true }]));
    const activity = Float64Array.from(reading.deviations, (value) => value / Math.max(...reading.deviations, 1e-9));
    this.orders.set(MOST_ACTIVE, { about: "Cells whose activation changes most, relative to the most active one.", follows: activity });
    this.orders.set(BY_NUMBER, { about: "All cells in the order of the checkpoint; bars show how active each is.", follows: activity, byNumber: true });
    for (const name of this.orders.keys()) this.select.append(new Option(name, name));
    // Start with a probe that finds something in this text, if there is one.
    const found = reading.probes.find(({ follows }) => !isIdle(follows));
    if (!found) this.orders.get(MOST_ACTIVE).about = `No cell tracks a probe in this text. ${this.orders.get(MOST_ACTIVE).about}`;
    this.select.value = found ? found.name : MOST_ACTIVE;
    this.select.addEventListener("change", () => this.rank());
    this.list.addEventListener("click", (event) => {
      const option = event.target.closest(".option");
      if (option) this.whenChosen(option.cell);
    });
    this.list.addEventListener("keydown", (event) => this.key(event));
  }

  makeOption(cell) {
    const option = make("div", "option");
    option.setAttribute("role", "option");
    option.id = `option-${cell}`;
    option.cell = cell;
    const bar = make("span", "two-sided");
    option.bar = make("i");
    bar.append(option.bar);
    option.figure = make("em");
    option.append(make("b", "", this.reading.nameOf(cell)), bar, option.figure);
    return option;
  }

  /** Sort the list by the chosen probe. */
  rank() {
    const { follows, about, isSigned, byNumber } = this.orders.get(this.select.value);
    const cells = this.options.map((option) => option.cell);
    this.order = byNumber ? cells : cells.sort((a, b) => Math.abs(follows[b]) - Math.abs(follows[a]) || a - b);
    for (const cell of this.order) {
      const { bar, figure } = this.options[cell];
      bar.className = follows[cell] < 0 ? "down" : "up";
      bar.style.width = `${(50 * Math.abs(follows[cell])).toFixed(1)}%`;
      figure.textContent = isSigned ? signed(follows[cell]) : follows[cell].toFixed(2);
    }
    this.list.replaceChildren(...this.order.map((cell) => this.options[cell]));
    const hasNone = isSigned && isIdle(follows);
    find("probe-about").textContent = hasNone ? "This text has nothing of this kind, or nothing else." : about;
    this.scrollTo(0);
  }

  /** Add or replace an order, and rank by it. */
  add(name, order) {
    if (!this.orders.has(name)) this.select.append(new Option(name, name));
    this.orders.set(name, order);
    this.select.value = name;
    this.rank();
  }

  mark(cell) {
    this.options[this.chosen].setAttribute("aria-selected", "false");
    this.chosen = cell;
    const option = this.options[cell];
    option.setAttribute("aria-selected", "true");
    this.list.setAttribute("aria-activedescendant", option.id);
    const place = this.order.indexOf(cell);
    if (place * this.optionHeight < this.scrollTop) this.scrollTo(place * this.optionHeight);
    const lowest = this.scrollTop + this.height - this.optionHeight;
    if (place * this.optionHeight > lowest) this.scrollTo(place * this.optionHeight - this.height + this.optionHeight);
  }

  measure() {
    this.height = this.list.clientHeight;
    this.optionHeight = this.options[0].offsetHeight;
  }

  scrollTo(top) {
    this.scrollTop = top;
    requestAnimationFrame(() => (this.list.scrollTop = this.scrollTop));
  }

  /** The cell a number of steps further in this order, wrapping around. */
  beside(steps) {
    const count = this.order.length;
    return this.order[(((this.order.indexOf(this.chosen) + steps) % count) + count) % count];
  }

  key(event) {
    const last = this.order.length - 1;
    const place = this.order.indexOf(this.chosen);
    const places = { ArrowUp: place - 1, ArrowDown: place + 1, Home: 0, End: last, PageUp: place - 10, PageDown: place + 10 };
    if (!(event.key in places) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.whenChosen(this.order[Math.max(0, Math.min(last, places[event.key]))]);
  }
}

/** How open the gates are: those of the chosen cell in detail, those of all cells as points. */
class Gates {
  constructor(reading, whenChosen) {
    this.reading = reading;
    this.chosen = 0;
    this.scatters = [];
    find("gates-card").hidden = !reading.gates.length;
    for (const gate of reading.gates) {
      const figure = make("figure");
      const field = make("div", "field");
      const [canvas, mark] = [make("canvas"), make("i")];
      field.append(canvas, mark);
      canvas.addEventListener("click", (event) => whenChosen(this.nearest(gate, canvas, event)));
      figure.append(field, make("figcaption", "", gate.name));
      find("scatters").append(figure);
      this.scatters.push({ gate, canvas, mark });
    }
    if (reading.gates.length) new ResizeObserver(() => this.draw()).observe(find("scatters"));
  }

  nearest(gate, canvas, event) {
    const box = canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const distance = (cell) => {
      const [across, down] = this.placeOf(gate, cell, box);
      return (across - x) ** 2 + (down - y) ** 2;
    };
    let best = 0;
    for (let cell = 1; cell < gate.shut.length; cell++) if (distance(cell) < distance(best)) best = cell;
    return best;
  }

  show(cell) {
    this.chosen = cell;
    const rows = this.reading.gates.map((gate) => {
      const row = make("div");
      const [shut, open] = [gate.shut[cell], gate.open[cell]];
      row.append(make("span", "", `${gate.name}, ${percent(gate.mean[cell])} open on average`));
      const bar = make("div", "shares");
      for (const [name, share] of [["shut", shut], ["between", 1 - shut - open], ["open", open]]) {
        const part = make("span", name, share > 0.16 ? `${name} ${percent(share)}` : "");
        part.style.flex = String(Math.max(0, share));
        part.title = `${name} at ${percent(share)} of the text`;
        bar.append(part);
      }
      row.append(bar);
      return row;
    });
    find("gates").replaceChildren(...rows);
    for (const { gate, mark, size } of this.scatters) {
      if (!size) continue; // not drawn yet
      const [across, down] = this.placeOf(gate, cell, size);
      mark.style.transform = `translate(${across - 5}px, ${down - 5}px)`;
    }
  }

  /** The position of a cell's point in a field of this size. */
  placeOf(gate, cell, { width, height }) {
    return [4 + gate.shut[cell] * (width - 8), height - 4 - gate.open[cell] * (height - 8)];
  }

  draw() {
    const style = getComputedStyle(document.documentElement);
    for (const scatter of this.scatters) {
      const { gate, canvas } = scatter;
      const [context, width, height] = sharpen(canvas);
      scatter.size = { width, height };
      context.strokeStyle = style.getPropertyValue("--line");
      context.beginPath();
      context.moveTo(4, 4);
      context.lineTo(width - 4, height - 4);
      context.stroke();
      context.fillStyle = `rgb(${style.getPropertyValue("--gate")} / .45)`;
      for (let cell = 0; cell < gate.shut.length; cell++) {
        context.beginPath();
        context.arc(...this.placeOf(gate, cell, { width, height }), 2, 0, 7);
        context.fill();
      }
    }
    if (this.scatters.length) this.show(this.chosen);
  }
}

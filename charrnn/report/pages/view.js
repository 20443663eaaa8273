/** The page: the chosen channel, cell and position, and the parts that show them. */
class Page {
  constructor() {
    writeColours();
    this.reading = new Reading();
    this.channels = channelsOf(this.reading);
    this.channel = this.channels[0];
    this.stretched = false;
    this.cell = 0;
    this.inspector = new Inspector(this.reading, this.channels);
    this.ranking = new Ranking(this.reading, (cell) => this.choose(cell));
    this.gates = new Gates(this.reading, (cell) => this.choose(cell));
    this.panel = new TextPanel(this.reading, (position) => this.inspect(position));
    this.search = new Search(this.reading, this.panel, this.ranking);
    this.offerChannels();
    this.listen();
    this.ranking.rank();
    this.choose(this.ranking.order[0]);
    this.panel.layOut();
    startTheme(find("theme"), () => this.repaint());
  }

  offerChannels() {
    for (const [i, channel] of this.channels.entries()) {
      const label = make("label");
      const input = make("input");
      Object.assign(input, { type: "radio", name: "channel", id: `show-${channel.key}`, checked: i === 0 });
      input.addEventListener("change", () => this.show(channel));
      label.append(input, channel.name);
      find("channels").append(label);
    }
  }

  listen() {
    find("cell-before").addEventListener("click", () => this.choose(this.ranking.beside(-1)));
    find("cell-after").addEventListener("click", () => this.choose(this.ranking.beside(1)));
    find("cell-of").textContent = `of ${this.reading.cellCount.toLocaleString("en")}`;
    const number = find("cell");
    number.addEventListener("focus", () => number.select());
    number.addEventListener("input", () => {
      const cell = this.reading.cellOf(number.value);
      number.setAttribute("aria-invalid", String(cell < 0));
      if (cell >= 0) this.choose(cell, false);
    });
    number.addEventListener("change", () => this.choose(this.cell));
    find("stretch").addEventListener("change", (event) => {
      this.stretched = event.target.checked;
      this.paint();
    });
    find("help").addEventListener("click", () => find("helping").showModal());
    document.addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    const { target } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || find("helping").open) return;
    if (target.matches("select, textarea, input:not([type=radio], [type=checkbox])")) {
      if (event.key !== "Escape") return;
      event.preventDefault(); // the query stays, for the n and p keys
      find("text").focus();
      return;
    }
    const gates = this.channels.filter(({ kind }) => kind === "gate");
    const nextGate = () => gates.length && this.show(gates[(gates.indexOf(this.channel) + 1) % gates.length]);
    const keys = {
      "[": () => this.choose(this.ranking.beside(-1)),
      "]": () => this.choose(this.ranking.beside(1)),
      a: () => this.show(this.channels[0]),
      s: () => this.show(this.channels[1]),
      g: nextGate,
      x: () => find("stretch").click(),
      c: () => find("cell").focus(),
      "/": () => find("query").focus(),
      n: () => this.search.step(1),
      p: () => this.search.step(-1),
      t: () => find("theme").click(),
      "?": () => find("helping").showModal(),
    };
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  }

  show(channel) {
    this.channel = channel;
    find(`show-${channel.key}`).checked = true;
    this.paint();
  }

  choose(cell, writeNumber = true) {
    this.cell = cell;
    if (writeNumber) {
      find("cell").value = this.reading.nameOf(cell);
      find("cell").setAttribute("aria-invalid", "false");
    }
    const { means, deviations } = this.reading;
    find("cell-about").textContent = `activation ${signed(means[cell])} on average, ± ${deviations[cell].toFixed(2)}`;
    if (this.channel.kind === "surprise" && this.panel.rowHeight) this.show(this.channels[0]);
    else this.paint();
    this.ranking.mark(cell);
    this.gates.show(cell);
    this.inspect(this.panel.cursor);
  }

  inspect(position) {
    find("spoken").textContent = this.inspector.show(position, this.cell);
  }

  paint() {
    const { kind } = this.channel;
    const { levels, low, high } = this.channel.colours(this.cell, this.stretched);
    this.panel.paint(kind, levels);
    find("low").textContent = low;
    find("high").textContent = high;
    find("stretching").hidden = !this.channel.byCell;
    const first = kind === "activation" ? -LEVELS : 0;
    const steps = Array.from({ length: LEVELS - first + 1 }, (_, i) => make("i", levelClass(kind, first + i)));
    find("scale").replaceChildren(...steps);
  }

  repaint() {
    this.panel.repaintMap();
    this.gates.draw();
  }
}

window.charrnn = new Page();
performance.mark("charrnn-ready");

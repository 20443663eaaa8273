const SPARE_ROWS = 5; // above and below the visible rows

/** The text in rows; only the visible ones are in the document. */
class TextPanel {
  constructor(reading, whenMoved) {
    this.reading = reading;
    this.whenMoved = whenMoved;
    this.panel = find("text");
    this.body = find("rows");
    this.map = find("map");
    this.shown = reading.characters.map((character, i) => glyph(character, i ? reading.characters[i - 1] : ""));
    this.widths = Uint8Array.from(this.shown, columnsOf);
    this.drawn = new Map(); // row number -> its element
    this.starts = [0];
    this.cursor = 0;
    this.hits = new Uint8Array(reading.count);
    this.levels = new Int8Array(reading.surprise.length);
    this.kind = "activation";
    this.colours = {};
    this.scrollTop = 0; // kept, like sizes and colours: reading it after a change would force a new layout
    this.panel.addEventListener("scroll", () => this.scrolled(), { passive: true });
    this.panel.addEventListener("pointermove", (event) => event.pointerType === "mouse" && this.point(event));
    this.panel.addEventListener("click", (event) => this.point(event));
    this.panel.addEventListener("keydown", (event) => this.key(event));
    for (const kind of ["pointerdown", "pointermove"]) find("overview").addEventListener(kind, (event) => this.travel(event));
    new ResizeObserver(() => this.layOut()).observe(this.panel);
  }

  scrolled() {
    this.scrollTop = this.panel.scrollTop;
    this.draw();
  }

  scrollTo(top) {
    this.panel.scrollTop = top;
    this.scrolled();
  }

  /** Break the text into rows that fit, at spaces where possible. */
  layOut() {
    const ruler = make("span", "", "0".repeat(50));
    const row = make("div", "row");
    row.append(ruler);
    this.body.append(row);
    const columnWidth = ruler.getBoundingClientRect().width / 50;
    row.remove();
    const style = getComputedStyle(this.panel);
    const room = this.panel.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    if (!columnWidth || room <= 0) return;
    this.height = this.panel.clientHeight;
    this.mapHeight = this.map.parentElement.clientHeight;
    this.rowHeight = parseFloat(style.lineHeight);
    this.columns = Math.max(12, Math.min(110, Math.floor(room / columnWidth) - 1));
    const anchor = this.drawn.size ? this.starts[Math.floor(this.scrollTop / this.rowHeight)] : 0;
    this.starts = this.rowStarts();
    this.body.style.height = `${this.starts.length * this.rowHeight}px`;
    for (const element of this.drawn.values()) element.remove();
    this.drawn.clear();
    this.scrollTo(anchor ? this.rowOf(anchor) * this.rowHeight : this.panel.scrollTop);
    this.drawMap();
  }

  rowStarts() {
    const { characters, count } = this.reading;
    const starts = [0];
    let [start, column, breakAt] = [0, 0, 0];
    this.widest = 1;
    for (let i = 0; i < count; i++) {
      if (column + this.widths[i] > this.columns && characters[i] !== "\n" && i > start) {
        start = breakAt > start ? breakAt : i;
        starts.push(start);
        column = 0;
        for (let k = start; k < i; k++) column += this.widths[k];
      }
      column += this.widths[i];
      this.widest = Math.max(this.widest, column);
      if (characters[i] === " ") breakAt = i + 1;
      if (characters[i] === "\n" && i + 1 < count) {
        start = breakAt = i + 1;
        starts.push(start);
        column = 0;
      }
    }
    return starts;
  }

  rowOf(position) {
    let [low, high] = [0, this.starts.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.starts[middle] <= position) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  endOf(row) {
    return row + 1 < this.starts.length ? this.starts[row + 1] : this.reading.count;
  }

  /** Put the visible rows into the document, and remove the others. */
  draw() {
    if (!this.rowHeight) return;
    const first = Math.max(0, Math.floor(this.scrollTop / this.rowHeight) - SPARE_ROWS);
    const last = Math.min(this.starts.length, first + Math.ceil(this.height / this.rowHeight) + 2 * SPARE_ROWS);
    for (const [row, element] of this.drawn) {
      if (row >= first && row < last) continue;
      element.remove();
      this.drawn.delete(row);
    }
    const fresh = document.createDocumentFragment();
    for (let row = first; row < last; row++) if (!this.drawn.has(row)) fresh.append(this.makeRow(row));
    this.body.append(fresh);
    this.drawView();
  }

  makeRow(row) {
    const element = make("div", "row");
    element.dir = "auto";
    element.style.top = `${row * this.rowHeight}px`;
    for (let i = this.starts[row]; i < this.endOf(row); i++) {
      const span = make("span", this.classOf(i), this.shown[i]);
      span.position = i;
      element.append(span);
    }
    this.drawn.set(row, element);
    return element;
  }

  classOf(i) {
    const place = this.reading.placeOf[i];
    const shown = this.shown[i];
    let name = place < 0 ? "new" : levelClass(this.kind, this.levels[place]);
    if (shown !== this.reading.characters[i]) name += isCode(shown) ? " code" : " sign";
    if (this.hits[i]) name += " hit";
    return i === this.cursor ? name + " cursor" : name;
  }

  /** Colour the text by new levels. */
  paint(kind, levels) {
    this.kind = kind;
    this.levels = levels;
    this.repaint();
    this.drawMap();
  }

  repaint() {
    for (const element of this.drawn.values()) {
      for (const span of element.children) {
        const name = this.classOf(span.position);
        if (span.className !== name) span.className = name;
      }
    }
  }

  spanOf(position) {
    const row = this.rowOf(position);
    return this.drawn.get(row)?.children[position - this.starts[row]];
  }

  moveTo(position, reveal = true) {
    const before = this.cursor;
    this.cursor = Math.max(0, Math.min(this.reading.count - 1, position));
    for (const i of [before, this.cursor]) {
      const span = this.spanOf(i);
      if (span) span.className = this.classOf(i);
    }
    if (reveal) this.reveal();
    this.whenMoved(this.cursor);
  }

  reveal() {
    if (!this.rowHeight) return;
    const top = this.rowOf(this.cursor) * this.rowHeight;
    if (top < this.scrollTop + this.rowHeight) this.scrollTo(top - this.rowHeight);
    const lowest = this.scrollTop + this.height - 3 * this.rowHeight;
    if (top > lowest) this.scrollTo(this.scrollTop + top - lowest);
  }

  point(event) {
    const position = event.target.position;
    if (position !== undefined && position !== this.cursor) this.moveTo(position, false);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const row = this.rowOf(this.cursor);
    const column = this.cursor - this.starts[row];
    const page = Math.max(1, Math.floor(this.height / this.rowHeight) - 2);
    const toRow = (wanted) => {
      const there = Math.max(0, Math.min(this.starts.length - 1, wanted));
      return Math.min(this.starts[there] + column, this.endOf(there) - 1);
    };
    const moves = {
      ArrowLeft: () => this.cursor - 1,
      ArrowRight: () => this.cursor + 1,
      ArrowUp: () => toRow(row - 1),
      ArrowDown: () => toRow(row + 1),
      PageUp: () => toRow(row - page),
      PageDown: () => toRow(row + page),
      Home: () => this.starts[row],
      End: () => this.endOf(row) - 1,
    };
    if (!moves[event.key]) return;
    event.preventDefault();
    this.moveTo(moves[event.key]());
  }

  /** Draw the map of the whole text, one pixel for each column, in the colours of the text. */
  drawMap() {
    if (!this.columns || !this.mapHeight) return;
    const [rows, columns] = [this.starts.length, this.widest + 1];
    this.mapScale = Math.min(3, this.mapHeight / rows);
    if (this.map.width !== columns || this.map.height !== rows) Object.assign(this.map, { width: columns, height: rows });
    this.map.style.height = `${rows * this.mapScale}px`;
    const context = this.map.getContext("2d");
    const picture = context.createImageData(columns, rows);
    const pixels = new Uint32Array(picture.data.buffer);
    const colours = this.mapColours();
    for (let row = 0; row < rows; row++) {
      let pixel = row * columns;
      const end = this.endOf(row);
      for (let i = this.starts[row]; i < end; i++) {
        const place = this.reading.placeOf[i];
        const colour = place < 0 ? 0 : colours[this.levels[place] + LEVELS];
        for (let width = this.widths[i]; width > 0; width--) pixels[pixel++] = colour;
      }
    }
    context.putImageData(picture, 0, 0);
    this.drawView();
  }

  /** The pixel value of each level from −12 to 12. */
  mapColours() {
    return (this.colours[this.kind] ??= this.readColours());
  }

  /** Draw the map again in the colours of a new theme. */
  repaintMap() {
    this.colours = {};
    this.drawMap();
  }

  readColours() {
    const names = { activation: ["--minus", "--plus"], surprise: ["--heat", "--heat"], gate: ["--gate", "--gate"] }[this.kind];
    const style = getComputedStyle(document.documentElement);
    const [below, above] = names.map((name) => style.getPropertyValue(name).trim().split(" ").map(Number));
    const bytes = new Uint8ClampedArray(4 * (2 * LEVELS + 1));
    for (let level = -LEVELS; level <= LEVELS; level++) {
      bytes.set([...(level < 0 ? below : above), (255 * Math.abs(level)) / LEVELS], 4 * (level + LEVELS));
    }
    return new Uint32Array(bytes.buffer);
  }

  /** Mark the visible rows on the map. */
  drawView() {
    if (!this.mapScale) return;
    const { style } = find("sight");
    style.top = `${(this.scrollTop / this.rowHeight) * this.mapScale}px`;
    style.height = `${Math.max(4, (this.height / this.rowHeight) * this.mapScale)}px`;
  }

  travel(event) {
    if (event.type === "pointermove" && !event.buttons) return;
    const row = (event.clientY - this.map.getBoundingClientRect().top) / this.mapScale;
    this.scrollTo(row * this.rowHeight - this.height / 2);
  }
}

const MATCHES = "matches of the search";

/** Finds a text or a pattern, and ranks the cells by how closely they track its matches. */
class Search {
  constructor(reading, panel, ranking) {
    this.reading = reading;
    this.panel = panel;
    this.ranking = ranking;
    this.matches = []; // [first position, position after the last]
    this.current = -1;
    this.asked = 0;
    this.query = find("query");
    let waiting = 0;
    this.query.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => this.run(), 150);
    });
    find("search").addEventListener("submit", (event) => {
      event.preventDefault();
      this.step(1);
    });
    find("match-after").addEventListener("click", () => this.step(1));
    find("match-before").addEventListener("click", () => this.step(-1));
  }

  pattern(words) {
    const parts = words.match(/^\/(.+)\/(i?)$/s);
    if (parts) return new RegExp(parts[1], "gum" + parts[2]);
    const exact = words.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
    return new RegExp(exact, words === words.toLowerCase() ? "giu" : "gu"); // a query with a capital is case-sensitive
  }

  run() {
    const words = asRead(this.query.value, this.reading.normalize);
    this.matches = [];
    this.current = -1;
    let trouble = "";
    try {
      if (words) this.matches = this.look(this.pattern(words));
    } catch {
      trouble = "invalid pattern";
    }
    const { hits } = this.panel;
    hits.fill(0);
    for (const [start, end] of this.matches) hits.fill(1, start, end);
    this.panel.repaint();
    this.say(trouble || (words ? `${this.matches.length.toLocaleString("en")} found` : ""));
    for (const id of ["match-before", "match-after"]) find(id).hidden = !this.matches.length;
    if (this.matches.length) this.rankCells();
  }

  look(pattern) {
    const { text, characters, count } = this.reading;
    let positions = null; // of each UTF-16 unit, if any character has two
    if (text.length !== count) {
      positions = new Int32Array(text.length + 1).fill(count);
      for (let i = 0, unit = 0; i < count; unit += characters[i++].length) positions.fill(i, unit, unit + characters[i].length);
    }
    const at = (unit) => (positions ? positions[unit] : unit);
    return Array.from(text.matchAll(pattern), (match) => [at(match.index), at(match.index + match[0].length)]).filter(
      ([start, end]) => end > start,
    );
  }

  step(steps) {
    if (!this.matches.length) return;
    const count = this.matches.length;
    const before = this.current < 0 && steps < 0 ? 0 : this.current;
    this.current = (before + steps + count) % count;
    this.say(`${(this.current + 1).toLocaleString("en")} of ${count.toLocaleString("en")}`);
    this.panel.moveTo(this.matches[this.current][0]);
  }

  say(words) {
    find("found").textContent = words;
  }

  /** Pearson's correlation of every cell with being inside a match, in pieces so that the page stays responsive. */
  async rankCells() {
    const asked = ++this.asked;
    const { reading } = this;
    const places = [];
    for (const [start, end] of this.matches) {
      for (let i = start; i < end; i++) if (reading.placeOf[i] >= 0) places.push(reading.placeOf[i]);
    }
    const all = reading.surprise.length;
    const share = places.length / all;
    const spread = Math.sqrt(share * (1 - share));
    const follows = new Float64Array(reading.cellCount);
    let began = performance.now();
    for (let cell = 0; cell < reading.cellCount && spread > 0; cell++) {
      const row = reading.activations.of(cell);
      let sum = 0;
      for (const place of places) sum += row[place];
      const deviation = reading.deviations[cell];
      if (deviation > 0) follows[cell] = (sum / all / 127 - share * reading.means[cell]) / (deviation * spread);
      if (performance.now() - began > 12) {
        await new Promise((resolve) => setTimeout(resolve));
        if (asked !== this.asked) return; // another search has started
        began = performance.now();
      }
    }
    const about = `Inside ${this.matches.length.toLocaleString("en")} matches of “${this.query.value}”.`;
    this.ranking.add(MATCHES, { follows, about, isSigned: true });
  }
}

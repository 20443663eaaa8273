/** White space, as Python knows it: an item of nothing else is never learned. */
const BLANK = /^(?:(?!\ufeff)[\s\x1c-\x1f\x85])*$/;

/** Writes with the network: reads the seed text, then draws one character after another. */
class Sampler {
  constructor() {
    const { model, arrays, dtype, vocabulary, separator, normalize } = readJSON("data");
    this.separator = separator; // what ends an item, where the model learned those; else empty
    this.normalize = normalize; // the form of what the model reads
    this.end = Array.from(separator).at(-1) ?? ""; // its last character
    this.characters = Array.from(vocabulary);
    this.ids = new Map(this.characters.map((character, id) => [character, id]));
    this.network = new Network(model, arrays, readNumbers("numbers-weights", dtype));
  }

  /** A text that a person typed, as the model reads it. */
  typed(text) {
    return asRead(text, this.normalize);
  }

  /** The characters of a text that the model never saw. */
  unknown(text) {
    return [...new Set(text)].filter((character) => !this.ids.has(character));
  }

  /** Begin anew with a text; with none, as at the start of a line. An item begins from its separator's end. */
  begin(seedText) {
    this.network.reset();
    this.item = "";
    if (this.end) this.network.read(this.ids.get(this.end));
    for (const character of seedText || (this.end ? "" : "\n")) this.read(this.ids.get(character));
  }

  /** Take in a character; the one after an item begins from nothing. */
  read(id) {
    this.network.read(id);
    if (!this.separator) return;
    this.item += this.characters[id];
    if (this.item.endsWith(this.separator)) this.begin("");
  }

  /** What may be drawn. The end of an item that is still blank may not, as no such item was learned. */
  probabilities(temperature) {
    const begun = this.separator.slice(0, this.separator.length - this.end.length); // all of it but the last character
    const canEnd = this.end && this.item.endsWith(begun);
    const isBlank = canEnd && BLANK.test(this.item.slice(0, this.item.length - begun.length));
    return this.network.probabilities(temperature, isBlank ? this.ids.get(this.end) : -1);
  }

  /** Draw a character, and read it: what it is, and the probability it had at temperature 1. */
  next(temperature, uniform) {
    const id = draw(this.probabilities(temperature), uniform);
    const share = this.network.probabilities(1)[id];
    this.read(id);
    return [this.characters[id], share];
  }

  /** The text that a list of uniform numbers draws after a seed text. */
  generate(seedText, temperature, uniforms) {
    this.begin(this.typed(seedText));
    return uniforms.map((uniform) => this.next(temperature, uniform)[0]).join("");
  }
}

const FRAME_MS = 14; // computing in one frame, so that the page stays awake
const HEAT_LEVELS = 12;
const BITS_SHOWN = 8; // bits of surprise that have the fullest colour
const GUESSES = 5;

class Page {
  constructor() {
    this.sampler = new Sampler();
    this.text = "";
    this.seedText = "";
    this.left = 0; // characters to write
    this.isWriting = false;
    this.addColours();
    find("controls").addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.isWriting) this.stop();
      else this.write();
    });
    find("go-on").addEventListener("click", () => this.run());
    find("temperature").addEventListener("input", () => this.showTemperature());
    find("tint").addEventListener("change", (event) => find("written").classList.toggle("tinted", event.target.checked));
    find("copy").addEventListener("click", () => this.copy());
    this.showTemperature();
    startTheme(find("theme"));
  }

  get temperature() {
    return Number(find("temperature").value);
  }

  showTemperature() {
    find("warmth").textContent = this.temperature.toFixed(2);
    this.showGuesses();
  }

  addColours() {
    const rule = (level) => `#written .h${level} { background: rgb(var(--heat) / ${((0.75 * level) / HEAT_LEVELS).toFixed(3)}); }`;
    const rules = Array.from({ length: HEAT_LEVELS }, (_, i) => rule(i + 1)).join("\n");
    document.head.querySelector("style").before(make("style", "", rules));
  }

  /** Write a new text. */
  write() {
    const seedText = this.sampler.typed(find("seed-text").value);
    const trouble = this.troubleWith(seedText);
    find("unknown").hidden = !trouble;
    find("unknown").textContent = trouble;
    if (trouble) return;
    const wanted = find("rng-seed").value.trim();
    this.rngSeed = wanted ? BigInt(wanted) : BigInt(crypto.getRandomValues(new Uint32Array(1))[0]);
    this.generator = new Generator(this.rngSeed);
    this.seedText = seedText;
    this.text = seedText;
    this.sampler.begin(seedText);
    find("written").replaceChildren();
    for (const character of seedText) this.put(character, "given");
    this.run();
    if (matchMedia("(max-width: 860px)").matches) find("sheet").scrollIntoView();
  }

  troubleWith(seedText) {
    const unknown = this.sampler.unknown(seedText);
    if (unknown.length) {
      const named = unknown.slice(0, 10).map((character) => `${glyph(character)} (${nameOf(character)})`);
      return `The model never saw ${named.join(", ")}: leave them out.`;
    }
    if (!seedText && !this.sampler.separator && !this.sampler.ids.has("\n")) return "This model knows no lines: give a text to begin with.";
    if (!/^\d*$/.test(find("rng-seed").value.trim())) return "The random seed is a whole number, 0 or more.";
    return "";
  }

  /** Write so many characters more. */
  run() {
    this.left = Math.max(1, Math.min(100000, Math.round(Number(find("length").value)) || 1));
    this.isWriting = true;
    this.began = performance.now();
    this.count = 0;
    this.show();
    requestAnimationFrame(() => this.frame());
  }

  frame() {
    if (!this.isWriting) return;
    const pace = Number(find("pace").value);
    const start = performance.now();
    const page = document.documentElement;
    const isAtEnd = page.scrollHeight - page.clientHeight - page.scrollTop < 60; // then the page follows the text
    const due = pace ? Math.ceil(((start - this.began) / 1000) * pace) - this.count : Infinity;
    for (let k = 0; k < due && this.left && performance.now() - start < FRAME_MS; k++) this.writeOne();
    if (pace && due > pace) this.began = start - (this.count / pace) * 1000; // it cannot keep up, or the pace has changed
    this.showGuesses();
    if (isAtEnd) page.scrollTop = page.scrollHeight;
    if (this.left) requestAnimationFrame(() => this.frame());
    else this.stop();
  }

  writeOne() {
    const [character, share] = this.sampler.next(this.temperature, this.generator.uniform());
    this.text += character;
    this.left--;
    this.count++;
    const level = Math.min(HEAT_LEVELS, Math.round((HEAT_LEVELS * -Math.log2(share)) / BITS_SHOWN));
    this.put(character, level ? `h${level}` : "");
  }

  put(character, className) {
    const shown = character === "\n" || character === "\t" ? character : glyph(character);
    find("written").append(make("span", isCode(shown) ? `${className} code`.trim() : className, shown));
  }

  stop() {
    this.isWriting = false;
    this.show();
  }

  show() {
    find("write").textContent = this.isWriting ? "Stop" : "Write";
    find("write").classList.toggle("stop", this.isWriting);
    find("go-on").disabled = this.isWriting || !this.generator;
    find("written").classList.toggle("at-work", this.isWriting);
    if (!this.generator) return;
    const written = Array.from(this.text).length - Array.from(this.seedText).length;
    find("status").textContent = this.isWriting
      ? `random seed ${this.rngSeed}`
      : `${written.toLocaleString("en")} characters; random seed ${this.rngSeed} writes them again`;
  }

  showGuesses() {
    if (!this.generator) return;
    const probs = this.sampler.probabilities(this.temperature);
    const best = Array.from(probs.keys()).sort((a, b) => probs[b] - probs[a] || a - b).slice(0, GUESSES);
    const rows = best.map((id) => {
      const row = make("li");
      const shown = glyph(this.sampler.characters[id]);
      const meter = make("span", "meter");
      const bar = make("i");
      bar.style.width = `${(100 * probs[id]).toFixed(2)}%`;
      meter.append(bar);
      row.append(make("span", "who", shown === " " ? "space" : shown), meter, make("span", "share", `${(100 * probs[id]).toFixed(1)} %`));
      return row;
    });
    find("guesses").replaceChildren(...rows);
  }

  async copy() {
    try {
      await navigator.clipboard.writeText(this.text);
      find("status").textContent = "copied";
    } catch {
      getSelection().selectAllChildren(find("written"));
      find("status").textContent = "selected: press Ctrl-C or ⌘C to copy";
    }
  }
}

window.charrnn = new Page();

/** The colour of a number is a level, from −12 to 12 or from 0 to 12. */
const LEVELS = 12;
const BITS_SHOWN = 8; // bits of surprise with the strongest colour

/** The data of the page. A position counts all characters of the text, a place only those that the model read. */
class Reading {
  constructor() {
    Object.assign(this, readJSON("data"));
    this.characters = Array.from(this.text);
    this.known = Array.from(this.vocabulary);
    this.count = this.characters.length;
    this.cellCount = this.layers.reduce((sum, size) => sum + size, 0);
    this.surprise = readNumbers("numbers-surprise", "float32");
    this.guesses = readNumbers("numbers-guesses", "uint32");
    this.guessProbs = readNumbers("numbers-guess-probs", "float32");
    this.guessCount = this.guesses.length / this.surprise.length;
    this.activations = new Rows("numbers-activations", this.surprise.length, Int8Array);
    for (const gate of this.gates) gate.rows = new Rows("numbers-" + gate.letter, this.surprise.length, Uint8Array);
    this.placeOf = new Int32Array(this.count);
    for (const position of this.unseen) this.placeOf[position] = -1;
    let place = 0;
    for (let i = 0; i < this.count; i++) if (this.placeOf[i] === 0) this.placeOf[i] = place++;
  }

  /** The name of a cell: its number in the checkpoint, with its layer if there are several. */
  nameOf(cell) {
    let layer = 0;
    while (cell >= this.layers[layer]) cell -= this.layers[layer++];
    return this.layers.length > 1 ? `${layer}:${cell}` : String(cell);
  }

  /** The cell of a name, or -1. */
  cellOf(name) {
    const parts = name.trim().match(/^(?:(\d+)\s*[:.]\s*)?(\d+)$/);
    if (!parts) return -1;
    const layer = parts[1] === undefined ? 0 : Number(parts[1]);
    const cell = Number(parts[2]);
    if (parts[1] === undefined) return cell < this.cellCount ? cell : -1;
    if (layer >= this.layers.length || cell >= this.layers[layer]) return -1;
    return this.layers.slice(0, layer).reduce((sum, size) => sum + size, 0) + cell;
  }
}

/** One row of bytes for each cell, decoded when needed: a long text has millions. */
class Rows {
  constructor(id, length, Kind) {
    this.base64 = find(id).textContent;
    this.length = length;
    this.Kind = Kind;
    this.rowLength = Math.ceil(length / 3) * 4; // Python pads each row to groups of three bytes
    this.last = [-1, null];
  }

  of(cell) {
    if (this.last[0] !== cell) {
      const bytes = decode(this.base64.substr(cell * this.rowLength, this.rowLength));
      this.last = [cell, new this.Kind(bytes.buffer, 0, this.length)];
    }
    return this.last[1];
  }
}

/** The levels of a row of bytes. */
function levelsOf(row, levelOf) {
  const isSigned = row instanceof Int8Array;
  const table = Int8Array.from({ length: 256 }, (_, byte) => Math.max(-LEVELS, Math.min(LEVELS, Math.round(levelOf(isSigned && byte > 127 ? byte - 256 : byte)))));
  const levels = new Int8Array(row.length);
  for (let i = 0; i < row.length; i++) levels[i] = table[row[i] & 255];
  return levels;
}

/** The least and the greatest number of a row. */
function rangeOf(row) {
  let [least, most] = [row[0], row[0]];
  for (let i = 1; i < row.length; i++) {
    if (row[i] < least) least = row[i];
    if (row[i] > most) most = row[i];
  }
  return [least, most];
}

/**
 * The channels that can colour the text. `figure` is a cell's number at a place. `colours` are the levels of all places
 * and the labels of the scale's ends, which show the cell's own range if the colours are stretched.
 */
function channelsOf(reading) {
  const activation = {
    key: "a", name: "activation", kind: "activation", byCell: true,
    figure: (cell, place) => reading.activations.of(cell)[place] / 127,
    colours: (cell, stretched) => {
      const row = reading.activations.of(cell);
      const [least, most] = stretched ? rangeOf(row) : [-127, 127];
      const largest = Math.max(1, -least, most);
      const levels = levelsOf(row, (value) => (LEVELS * value) / largest);
      return { levels, low: stretched ? signed(-largest / 127) : "−1", high: stretched ? signed(largest / 127) : "+1" };
    },
  };
  const heat = Int8Array.from(reading.surprise, (bits) => Math.min(LEVELS, Math.round((LEVELS * bits) / BITS_SHOWN)));
  const surprise = {
    key: "s", name: "surprise", kind: "surprise", byCell: false,
    figure: (cell, place) => reading.surprise[place],
    colours: () => ({ levels: heat, low: "0", high: `${BITS_SHOWN} bits` }),
  };
  const gates = reading.gates.map((gate) => ({
    key: gate.letter, name: gate.name, kind: "gate", byCell: true,
    figure: (cell, place) => gate.rows.of(cell)[place] / 255,
    colours: (cell, stretched) => {
      const row = gate.rows.of(cell);
      const [least, most] = stretched ? rangeOf(row) : [0, 255];
      const levels = levelsOf(row, (value) => (LEVELS * (value - least)) / Math.max(1, most - least));
      return { levels, low: stretched ? (least / 255).toFixed(2) : "shut", high: stretched ? (most / 255).toFixed(2) : "open" };
    },
  }));
  return [activation, surprise, ...gates];
}

const signed = (value) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(2);
const percent = (share) => `${Math.round(100 * share)} %`;

/** The class of a level. */
const levelClass = (kind, level) => (level ? `${kind[0]}${level < 0 ? "m" : "p"}${Math.abs(level)}` : "");

/** Add a style sheet with the classes of all levels. */
function writeColours() {
  const rules = [];
  const strength = (level) => (0.04 + 0.78 * (level / LEVELS)).toFixed(3);
  for (let level = 1; level <= LEVELS; level++) {
    for (const [name, colour] of [["ap", "plus"], ["am", "minus"], ["sp", "heat"], ["gp", "gate"]]) {
      rules.push(`.${name}${level} { background: rgb(var(--${colour}) / ${strength(level)}); }`);
    }
  }
  document.head.append(make("style", "", rules.join("\n")));
}

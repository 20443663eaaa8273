/**
 * The network of charrnn/nn, one character at a time. Weights are the checkpoint's; all arithmetic is in float64.
 * The equations stand in vanilla.py, lstm.py and gru.py; gates are packed as there: i f g o, and r z n.
 */

const GATES = { vanilla: 1, lstm: 4, gru: 3 };
const sigmoid = (a) => 0.5 + 0.5 * Math.tanh(0.5 * a);

/** sums += x W for a vector x and a matrix W (x.length, sums.length), row after row. */
function addProduct(sums, x, W) {
  const width = sums.length;
  for (let i = 0, at = 0; i < x.length; i++) {
    const factor = x[i];
    for (let k = 0; k < width; k++, at++) sums[k] += factor * W[at];
  }
}

/** How a cell makes the new state from a = x W_xh + b_h and u = h W_hh, in place. */
const CELLS = {
  vanilla: (state, a, u) => {
    for (let k = 0; k < state.h.length; k++) state.h[k] = Math.tanh(a[k] + u[k]);
  },
  lstm: ({ h, c }, a, u) => {
    const H = h.length;
    for (let k = 0; k < H; k++) {
      const i = sigmoid(a[k] + u[k]);
      const f = sigmoid(a[H + k] + u[H + k]);
      const g = Math.tanh(a[2 * H + k] + u[2 * H + k]);
      const o = sigmoid(a[3 * H + k] + u[3 * H + k]);
      c[k] = f * c[k] + i * g;
      h[k] = o * Math.tanh(c[k]);
    }
  },
  gru: ({ h }, a, u, { b_hn }) => {
    const H = h.length;
    for (let k = 0; k < H; k++) {
      const r = sigmoid(a[k] + u[k]);
      const z = sigmoid(a[H + k] + u[H + k]);
      const n = Math.tanh(a[2 * H + k] + r * (u[2 * H + k] + b_hn[k]));
      h[k] = n + z * (h[k] - n);
    }
  },
};

class Network {
  /** model: sizes and kind, as in the checkpoint; arrays: [name, shape] in the order of the numbers in weights. */
  constructor(model, arrays, weights) {
    this.model = model;
    this.params = {};
    let start = 0;
    for (const [name, shape] of arrays) {
      const stop = start + shape.reduce((product, size) => product * size, 1);
      this.params[name] = weights.subarray(start, stop);
      start = stop;
    }
    this.layers = model.hidden_sizes.map((_, layer) => this.group(`cells.${layer}.`));
    this.logits = new Float64Array(model.vocab_size);
    this.reset();
  }

  /** The arrays of one layer by their short names. */
  group(prefix) {
    const names = Object.keys(this.params).filter((name) => name.startsWith(prefix));
    return Object.fromEntries(names.map((name) => [name.slice(prefix.length), this.params[name]]));
  }

  /** Forget the text. */
  reset() {
    this.states = this.model.hidden_sizes.map((H) => ({ h: new Float64Array(H), c: new Float64Array(H) }));
  }

  /** Take in a character; the scores of the next one are then in `logits`. */
  read(id) {
    const { cell, embedding_size: E } = this.model;
    let x = E ? this.params["embedding.W_e"].subarray(id * E, (id + 1) * E) : null;
    for (const [layer, state] of this.states.entries()) {
      const { W_xh, W_hh, b_h } = this.layers[layer];
      const width = GATES[cell] * state.h.length;
      const a = Float64Array.from(b_h);
      const u = new Float64Array(width);
      if (x) addProduct(a, x, W_xh);
      else for (let k = 0; k < width; k++) a[k] += W_xh[id * width + k]; // one-hot times a matrix is one of its rows
      addProduct(u, state.h, W_hh);
      CELLS[cell](state, a, u, this.layers[layer]);
      x = state.h;
    }
    this.score(x);
  }

  score(h) {
    const { logits } = this;
    logits.set(this.params["linear.b_y"]);
    if (!this.model.tied) {
      addProduct(logits, h, this.params["linear.W_hy"]);
      return;
    }
    const W_e = this.params["embedding.W_e"]; // (V, H): the output's weights are its transpose
    for (let v = 0, at = 0; v < logits.length; v++) for (let k = 0; k < h.length; k++, at++) logits[v] += h[k] * W_e[at];
  }

  /**
   * The probabilities of the next character: softmax of logits / temperature; at 0, all on the best. The id `never`
   * gets none.
   */
  probabilities(temperature, never = -1) {
    const logits = this.logits.map((score, id) => (id === never ? -Infinity : score));
    const best = logits.reduce((most, score) => Math.max(most, score), -Infinity);
    const probs = logits.map((score) => {
      if (temperature === 0) return 0;
      return Math.exp((score - best) / temperature);
    });
    if (temperature === 0) probs[logits.indexOf(best)] = 1;
    const sum = probs.reduce((total, value) => total + value, 0);
    return probs.map((value) => value / sum);
  }
}

/** Draw an id by the inverse of the cumulative distribution; uniform is at least 0 and below 1. */
function draw(probs, uniform) {
  let total = 0;
  const cumulative = probs.map((value) => (total += value));
  const point = uniform * total;
  const id = cumulative.findIndex((value) => value > point);
  return id >= 0 ? id : cumulative.indexOf(total); // rounding brought the point up to the total
}

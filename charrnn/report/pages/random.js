/**
 * NumPy's default generator, so that a page and `charrnn sample --rng-seed` draw the same numbers: PCG64 (M. O'Neill,
 * "PCG: A Family of Simple Fast Space-Efficient Statistically Good Algorithms for Random Number Generation", 2014, with
 * the XSL-RR output), seeded as by `numpy.random.SeedSequence`.
 */

const WORD = 0xffffffffn;
const LONG = (1n << 64n) - 1n;
const WIDE_MASK = (1n << 128n) - 1n;
const PCG_MULTIPLIER = 0x2360ed051fc65da44385df649fccf645n;

/** A hash of words whose constant changes with each call. */
function hasher(constant, multiplier) {
  return (value) => {
    value ^= constant;
    constant = Math.imul(constant, multiplier) >>> 0;
    value = Math.imul(value, constant) >>> 0;
    return (value ^ (value >>> 16)) >>> 0;
  };
}

function mix(x, y) {
  const result = (Math.imul(x, 0xca01f9dd) - Math.imul(y, 0x4973f715)) >>> 0;
  return (result ^ (result >>> 16)) >>> 0;
}

/** Four 64-bit words from a seed of any size. */
function seedWords(seed) {
  const entropy = [];
  do {
    entropy.push(Number(seed & WORD));
    seed >>= 32n;
  } while (seed > 0n);
  const hash = hasher(0x43b0d7e5, 0x931e8875);
  const pool = Array.from({ length: 4 }, (_, i) => hash(entropy[i] ?? 0));
  for (let from = 0; from < 4; from++) {
    for (let to = 0; to < 4; to++) if (from !== to) pool[to] = mix(pool[to], hash(pool[from]));
  }
  for (const word of entropy.slice(4)) for (let to = 0; to < 4; to++) pool[to] = mix(pool[to], hash(word));
  const spread = hasher(0x8b51f9dd, 0x58f38ded);
  const words = Array.from({ length: 8 }, (_, i) => BigInt(spread(pool[i % 4])));
  return [0, 2, 4, 6].map((i) => words[i] | (words[i + 1] << 32n));
}

class Generator {
  /** seed: a BigInt, 0 or more. */
  constructor(seed) {
    const [high, low, incrementHigh, incrementLow] = seedWords(seed);
    this.increment = ((((incrementHigh << 64n) | incrementLow) << 1n) | 1n) & WIDE_MASK;
    this.state = 0n;
    this.step();
    this.state = (this.state + ((high << 64n) | low)) & WIDE_MASK;
    this.step();
  }

  step() {
    this.state = (this.state * PCG_MULTIPLIER + this.increment) & WIDE_MASK;
  }

  /** The next number, at least 0 and below 1, with 53 bits. */
  uniform() {
    this.step();
    const value = (this.state >> 64n) ^ (this.state & LONG);
    const turn = this.state >> 122n;
    const turned = ((value >> turn) | (value << ((64n - turn) & 63n))) & LONG;
    return Number(turned >> 11n) * 2 ** -53;
  }
}

"use strict";

/** The element with this id. */
const find = (id) => document.getElementById(id);

/** The JSON that Python wrote into the page. */
const readJSON = (id) => JSON.parse(find(id).textContent);

/** A typed text in the Unicode form of the model: unchanged, or composed. */
const asRead = (text, form) => (form === "none" ? text : text.normalize(form.toUpperCase()));

/** Bytes from base64. */
function decode(base64) {
  const binary = atob(base64);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

/** Little-endian numbers from the base64 in an element, on a machine of any byte order. */
function readNumbers(id, kind) {
  const bytes = decode(find(id).textContent);
  const view = new DataView(bytes.buffer);
  const read = {
    uint32: [Uint32Array, 4, (at) => view.getUint32(at, true)],
    float32: [Float32Array, 4, (at) => view.getFloat32(at, true)],
    float64: [Float64Array, 8, (at) => view.getFloat64(at, true)],
  }[kind];
  const [Numbers, size, get] = read;
  const numbers = new Numbers(bytes.length / size);
  for (let i = 0; i < numbers.length; i++) numbers[i] = get(i * size);
  return numbers;
}

/** A new element with a class and a text (never HTML). */
function make(tag, className = "", text = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  return element;
}

const INVISIBLE = /[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}]/u;
const MARK = /\p{M}/u;
const SPACING_MARK = /\p{Mc}/u; // a vowel sign next to its letter
const BASE = /[\p{L}\p{M}]/u;
const WIDE = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}\u3000-\u303f\uff01-\uff60]/u;

// The names that ASCII gives them, which every font can show.
const CONTROLS = (
  "NUL SOH STX ETX EOT ENQ ACK BEL BS HT LF VT FF CR SO SI DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS RS US"
).split(" ");

const codeOf = (character) => "U+" + character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");

/** How a character is shown: itself, or a sign if it is invisible or would move others. */
function glyph(character, previous = "") {
  if (character === " ") return " ";
  if (character === "\n") return "↵";
  if (character === "\t") return "⇥";
  if (MARK.test(character) && !INVISIBLE.test(character)) return BASE.test(previous) ? character : "◌" + character;
  if (!INVISIBLE.test(character)) return character;
  const code = character.codePointAt(0);
  if (code < 0x20) return CONTROLS[code];
  return code === 0x7f ? "DEL" : codeOf(character);
}

/** Whether a glyph is a name for a character, such as ESC or U+202E. */
const isCode = (shown) => /^[A-Z][A-Z0-9+]+$/.test(shown);

/** The columns that a glyph takes. */
function columnsOf(shown) {
  if (isCode(shown)) return shown.length + 1;
  if (MARK.test(shown) && !shown.startsWith("◌")) return SPACING_MARK.test(shown) ? 1 : 0;
  return WIDE.test(shown) ? 2 : 1;
}

const NAMES = { " ": "space", "\n": "line feed", "\t": "tab", "\u00a0": "no-break space", "\u2028": "line separator" };

/** The name of a character. */
const nameOf = (character) => (NAMES[character] ? `${NAMES[character]}, ` : "") + codeOf(character);

/** Give a canvas the screen's resolution; return its context, in CSS pixels, and its size. */
function sharpen(canvas) {
  const { width, height } = canvas.getBoundingClientRect();
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  return [context, width, height];
}

/** Follow the system's light or dark theme until the button is used. */
function startTheme(button, whenChanged = () => {}) {
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  let chosen = null;
  const apply = () => {
    const theme = chosen ?? (system.matches ? "dark" : "light");
    document.documentElement.dataset.theme = theme;
    button.textContent = theme === "dark" ? "☀" : "☾";
    button.setAttribute("aria-label", theme === "dark" ? "Light page" : "Dark page");
    button.title = button.getAttribute("aria-label");
    whenChanged();
  };
  button.addEventListener("click", () => {
    chosen = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    apply();
  });
  system.addEventListener("change", apply);
  apply();
}

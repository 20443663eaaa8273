/** The character under the cursor, its surprise, and what the model expected instead. */
class Inspector {
  constructor(reading, channels) {
    this.reading = reading;
    this.channels = channels;
  }

  show(position, cell) {
    const { reading } = this;
    const character = reading.characters[position];
    const shown = glyph(character);
    const place = reading.placeOf[position];
    const here = find("here");
    here.textContent = shown;
    here.className = isCode(shown) ? "code" : "";
    find("here-name").textContent = `${nameOf(character)} · no. ${(position + 1).toLocaleString("en")}`;
    find("here-surprise").textContent = place < 0
      ? "unknown to the model and skipped"
      : `${reading.surprise[place].toFixed(2)} bits of surprise`;
    find("guesses").replaceChildren(...(place < 0 ? [] : this.guessRows(character, place)));
    find("here-values").replaceChildren(...(place < 0 ? [] : this.values(place, cell)));
    return `${nameOf(character)} ${shown}${place < 0 ? "" : `, ${reading.surprise[place].toFixed(1)} bits`}`;
  }

  guessRows(character, place) {
    const { reading } = this;
    const rows = [];
    let isGuessed = false;
    for (let k = 0; k < reading.guessCount; k++) {
      const at = place * reading.guessCount + k;
      const guess = reading.known[reading.guesses[at]];
      isGuessed ||= guess === character;
      rows.push(this.guessRow(guess, reading.guessProbs[at], guess === character));
    }
    if (!isGuessed) rows.push(this.guessRow(character, 2 ** -reading.surprise[place], true));
    return rows;
  }

  guessRow(character, share, isRight) {
    const row = make("li", isRight ? "right" : "");
    const shown = glyph(character);
    const meter = make("span", "meter");
    const bar = make("i");
    bar.style.width = `${(100 * share).toFixed(2)}%`;
    meter.append(bar);
    const text = share >= 0.001 ? `${(100 * share).toFixed(1)} %` : "< 0.1 %";
    row.append(make("span", "who", shown === " " ? "space" : shown), meter, make("span", "share", text));
    return row;
  }

  values(place, cell) {
    const rows = [];
    for (const channel of this.channels.filter(({ byCell }) => byCell)) {
      const value = channel.figure(cell, place);
      const bar = make("span", channel.kind === "activation" ? "two-sided" : "meter");
      const fill = make("i", channel.kind === "activation" ? (value < 0 ? "down" : "up") : "");
      fill.style.width = `${((channel.kind === "activation" ? 50 : 100) * Math.abs(value)).toFixed(1)}%`;
      if (channel.kind === "gate") fill.style.background = "rgb(var(--gate))";
      bar.style.display = "block";
      bar.append(fill);
      const middle = make("dd");
      middle.append(bar);
      rows.push(make("dt", "", channel.name), middle, make("dd", "figure", channel.kind === "activation" ? signed(value) : value.toFixed(2)));
    }
    return rows;
  }
}

"""How long the largest pages take: to write, to open in Chromium, to switch a cell, to rank all cells by a search.

``python -m benchmarks.pages``; needs Chromium. The model has random weights: what it does costs the same.
"""

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from charrnn.checkpoint import Checkpoint
from charrnn.nn.model import CharRNN
from charrnn.paths import CORPORA
from charrnn.report.pages import MOST_CHARACTERS, view_page, write_file
from charrnn.text.corpus import CorpusInfo
from charrnn.text.passage import read_passage
from charrnn.text.vocabulary import Vocabulary
from tests.browser import Browser

CELLS = 512
SWITCHES = 20
# From the call that chooses a cell to the frame that shows it.
SWITCH = """new Promise((done) => {
  const began = performance.now();
  charrnn.choose(%d);
  const called = performance.now() - began;
  requestAnimationFrame(() => setTimeout(() => done([called, performance.now() - began])));
})"""
SEARCH = """new Promise((done) => {
  const began = performance.now();
  charrnn.search.query.value = "the";
  charrnn.search.run();
  const wait = () => (find_probe() ? done(performance.now() - began) : setTimeout(wait, 5));
  const find_probe = () => document.getElementById("probe").value.startsWith("the matches");
  wait();
})"""


def write(cell: str, page: Path) -> str:
    """Write the page of a text as long as a page holds; return what it took."""
    text = "".join(path.read_text(encoding="utf-8") for path in sorted(CORPORA.glob("*.txt")))[:MOST_CHARACTERS]
    (source := page.with_suffix(".txt")).write_text(text, encoding="utf-8", newline="")
    vocabulary = Vocabulary.from_text(text)
    model = CharRNN(len(vocabulary), cell, (CELLS,))
    params = model.initialize(np.random.default_rng(0), std=0.08)
    trained = Checkpoint(model, params, vocabulary, CorpusInfo("text", ("text",), "utf-8", "", len(text)), {})
    began = time.perf_counter()
    size = write_file(page, view_page(trained, read_passage([str(source)], vocabulary), "text").encode())
    return f"{time.perf_counter() - began:>8.1f} {size / 1e6:>8.1f}"


def measure(browser: Browser, page: Path) -> str:
    """Open the page and use it; return the milliseconds."""
    browser.open(page)
    browser.wait("performance.getEntriesByName('charrnn-ready').length > 0")
    opened = browser.evaluate("performance.getEntriesByName('charrnn-ready')[0].startTime")
    switches = [browser.evaluate(SWITCH % (23 * k % CELLS)) for k in range(1, SWITCHES + 1)]
    called, shown = (statistics.median(column) for column in zip(*switches, strict=True))
    worst = max(shown for _, shown in switches)
    return f"{opened:>8.0f} {called:>8.1f} {shown:>8.1f} {worst:>8.1f} {browser.evaluate(SEARCH):>8.0f}"


def main() -> None:
    """Print one line a cell."""
    print(f"{MOST_CHARACTERS:,} characters × {CELLS} cells; seconds, MB, then milliseconds in a window of 1,280 × 800")
    print(f"{'cell':<8} {'write':>8} {'size':>8} {'open':>8} {'switch':>8} {'shown':>8} {'worst':>8} {'search':>8}")
    with tempfile.TemporaryDirectory() as folder, Browser() as browser:
        for cell in ("vanilla", "gru", "lstm"):
            page = Path(folder, f"{cell}.html")
            print(f"{cell:<8} {write(cell, page)} {measure(browser, page)}", flush=True)


if __name__ == "__main__":
    main()

"""Make the pictures in docs/images with headless Chromium: ``python -m docs.screenshots`` (or ``make docs``)."""

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.browser import Browser, executable

REPOSITORY = Path(__file__).resolve().parents[1]
IMAGES = REPOSITORY / "docs" / "images"
MODEL = REPOSITORY / "checkpoints" / "pretrained.npz"
WIDTH = 1200


def main() -> None:
    """Write both pages with the model that comes with charrnn, and take a picture of each."""
    if executable() is None:
        sys.exit("no Chromium found: install it to make the pictures again")
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name, Browser() as browser:
        folder = Path(name)
        _view(browser, folder / "view.html")
        _export(browser, folder / "export.html")


def _view(browser: Browser, page: Path) -> None:
    """Show the passage as cell 175 sees it, which tracks whether a quotation is open."""
    _charrnn("view", str(MODEL), "-n", "4000", "-o", str(page))
    browser.open(page, width=WIDTH, height=720)
    browser.evaluate("document.getElementById('cell').focus()")
    browser.evaluate("document.getElementById('cell').select()")
    browser.type("175")
    browser.press("Enter")
    browser.wait("document.getElementById('cell').value === '175'")
    _settle(browser)
    browser.screenshot(IMAGES / "view.png")


def _export(browser: Browser, page: Path) -> None:
    """Show a sample of 600 characters, with those tinted that surprised the model."""
    _charrnn("export", str(MODEL), "-o", str(page))
    browser.open(page, width=WIDTH, height=720)
    browser.evaluate("document.getElementById('seed-text').value = 'The light'")
    browser.evaluate("document.getElementById('rng-seed').value = '3'")
    browser.evaluate("document.getElementById('pace').selectedIndex = document.getElementById('pace').length - 1")
    browser.evaluate("document.getElementById('pace').dispatchEvent(new Event('change'))")
    browser.click("#write")
    browser.wait("document.getElementById('written').textContent.length > 600")
    browser.wait("!document.getElementById('go-on').disabled")
    browser.evaluate("document.getElementById('tint').click()")
    browser.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)")
    _settle(browser)
    browser.screenshot(IMAGES / "export.png")


def _settle(browser: Browser) -> None:
    """Wait for two frames, after which what was drawn is on the screen."""
    browser.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))")


def _charrnn(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "charrnn", *arguments, "--quiet"], cwd=REPOSITORY, check=True)


if __name__ == "__main__":
    main()

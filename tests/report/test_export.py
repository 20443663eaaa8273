"""The page that writes: in a real browser its text is the Python sampler's, for the same random numbers."""

import json
import re
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from charrnn.checkpoint import Checkpoint
from charrnn.config import SampleConfig
from charrnn.errors import ConfigError
from charrnn.report.pages import FORMATS, export
from charrnn.sampling.filters import Filters, NoBlankItems
from charrnn.sampling.sampler import sample
from charrnn.sampling.writing import Reason, Writer
from tests.browser import Browser
from tests.report.conftest import untrained

ALPHABET = "abcdefg <>&\n\u2028\U0001f600"
LAYOUTS = [((7,), 0), ((6, 5), 0), ((6, 5), 3), ((5, 4), 4)]  # hidden sizes, embedding; the last is tied


def write(trained: Checkpoint) -> Path:
    path = Path("model.html")
    assert export(trained, path, "mine") == path.stat().st_size
    return path


def python_text(trained: Checkpoint, seed_text: str, temperature: float, rng_seed: int, length: int) -> str:
    """Sample in float64 from the checkpoint's weights."""
    seed, rng = trained.vocabulary.encode(seed_text or "\n"), np.random.default_rng(rng_seed)
    params = trained.params.astype(np.float64)
    ids = islice(sample(trained.model, params, seed, rng, Filters(temperature)), length)
    return trained.vocabulary.decode(list(ids))


def fill_in(browser: Browser, **values: str) -> None:
    for name, value in values.items():
        field = f"document.getElementById({json.dumps(name.replace('_', '-'))})"
        browser.evaluate(f"{field}.value = {json.dumps(value)}; {field}.dispatchEvent(new Event('input'))")


def test_the_page_begins_with_the_temperature_of_the_command() -> None:
    page = write(untrained(ALPHABET)).read_text(encoding="utf-8")
    slider = re.search(r'<input id="temperature"[^>]* value="([^"]*)"', page)
    assert slider
    assert float(slider[1]) == SampleConfig().temperatures[0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("cell", ["vanilla", "lstm", "gru"])
def test_the_page_writes_what_the_sampler_writes(browser: Browser, cell: str, dtype: str) -> None:
    for hidden_sizes, embedding_size in LAYOUTS:
        trained = untrained(ALPHABET, cell, hidden_sizes, embedding_size)
        assert trained.model.tied == (embedding_size == 4)
        trained = replace(trained, params=trained.params.astype(dtype))
        browser.open(write(trained))
        for temperature in (0, 0.4, 1, 1.7):
            uniforms = np.random.default_rng(9).random(200).tolist()
            call = f"charrnn.sampler.generate('bad\\n', {temperature}, {json.dumps(uniforms)})"
            assert browser.evaluate(call) == python_text(trained, "bad\n", temperature, 9, 200)
        assert browser.troubles == []


@pytest.mark.parametrize("separator", ["\n", "\U0001f600", "fg", "\n\U0001f600"])
def test_items_are_written_one_after_the_other_each_from_nothing(browser: Browser, separator: str) -> None:
    trained = untrained(ALPHABET)
    trained = replace(trained, config={**trained.config, "separator": separator})
    browser.open(write(trained))
    uniforms = np.random.default_rng(9).random(300).tolist()
    text = browser.evaluate(f"charrnn.sampler.generate('bad', 1, {json.dumps(uniforms)})")
    params, begun = trained.params.astype(np.float64), "bad"
    rng, wanted = np.random.default_rng(9), ""
    while len(wanted) < 300:
        shaper = NoBlankItems(Filters(), trained.vocabulary.characters, separator, [begun])
        drawn = sample(trained.model, params, trained.vocabulary.encode(separator[-1] + begun), rng, shaper)
        item = begun
        while not item.endswith(separator):
            number = next(drawn)
            item += trained.vocabulary.characters[number]
        assert item.removesuffix(separator).strip()
        wanted, begun = wanted + item.removeprefix(begun), ""
    assert text == wanted[:300]
    assert browser.troubles == []


@pytest.mark.parametrize(
    ("separator", "seed_text"), [("\n\U0001f600", "bad\n"), ("\n\n", "\n"), ("fg", "f"), ("b", "")]
)
def test_an_item_ends_where_the_sampler_ends_it(browser: Browser, separator: str, seed_text: str) -> None:
    """Also where the separator begins in the seed, and where the item would be blank."""
    trained = untrained(ALPHABET)
    trained = replace(trained, config={**trained.config, "separator": separator})
    browser.open(write(trained))
    config, precise = (
        SampleConfig(length=400, temperatures=(1.0,)),
        replace(trained, params=trained.params.astype(np.float64)),
    )
    for rng_seed in range(40):
        writer = Writer(precise, config, rng_seed)
        written = "".join(piece for (piece,) in writer.write(seed_text))
        ending = writer.samples[0].ending
        whole = seed_text + written + separator[ending.overlap :] * (ending.reason is Reason.ITEM)
        uniforms = np.random.default_rng(rng_seed).random(len(whole) - len(seed_text)).tolist()
        call = f"charrnn.sampler.generate({json.dumps(seed_text)}, 1, {json.dumps(uniforms)})"
        assert seed_text + browser.evaluate(call) == whole
        if ending.reason is Reason.ITEM:  # the next item has begun from nothing
            assert browser.evaluate("charrnn.sampler.item") == ""
            assert whole.removesuffix(separator).strip()
    assert browser.troubles == []


@pytest.mark.parametrize("rng_seed", [0, 3, 2**32 - 1, 2**32, 2**64 + 5, 2**128, 2**200 + 7])
def test_a_random_seed_draws_what_numpy_draws(browser: Browser, rng_seed: int) -> None:
    trained = untrained(ALPHABET)
    browser.open(write(trained))
    fill_in(browser, seed_text="bad", rng_seed=str(rng_seed), length="150", pace="0", temperature="0.9")
    browser.click("#write")
    browser.wait("!charrnn.isWriting")
    assert browser.evaluate("charrnn.text") == "bad" + python_text(trained, "bad", 0.9, rng_seed, 150)
    assert f"150 characters; use random seed {rng_seed} to write them again" in browser.text("#status")
    assert browser.troubles == []


def test_it_stops_and_goes_on_and_begins_anew(browser: Browser) -> None:
    trained = untrained(ALPHABET, "lstm")
    browser.open(write(trained))
    assert browser.evaluate("document.getElementById('go-on').disabled")
    fill_in(browser, rng_seed="4", length="100000", pace="60", temperature="1")
    browser.click("#write")
    browser.wait("charrnn.text.length > 3")
    assert browser.text("#write") == "Stop"
    browser.click("#write")
    written = len(browser.evaluate("Array.from(charrnn.text)"))
    assert browser.text("#write") == "Write"
    fill_in(browser, length="50", pace="0")
    browser.click("#go-on")
    browser.wait("!charrnn.isWriting")
    text = python_text(trained, "", 1, 4, written + 50)
    assert browser.evaluate("charrnn.text") == text
    signs = browser.text("#written")
    assert "U+2028" in signs
    assert signs.replace("U+2028", "\u2028") == text
    assert (
        len(browser.evaluate("Array.from(document.querySelectorAll('#guesses .share'), (share) => share.innerText)"))
        == 5
    )
    browser.click("#write")
    browser.wait("!charrnn.isWriting")
    assert browser.evaluate("charrnn.text") == text[:50]
    assert browser.troubles == []


def test_what_it_cannot_begin_with_is_said(browser: Browser) -> None:
    browser.open(write(untrained("ab")))
    fill_in(browser, seed_text="a\x1bZ")
    browser.click("#write")
    assert browser.text("#unknown") == "The model does not know ESC (U+001B), Z (U+005A). Remove them."
    fill_in(browser, seed_text="")
    browser.click("#write")
    assert browser.text("#unknown") == "This model has no lines: enter a text to start with."
    fill_in(browser, seed_text="a", rng_seed="-1")
    browser.click("#write")
    assert browser.text("#unknown") == "The random seed must be a whole number, 0 or more."
    fill_in(browser, rng_seed="", length="5", pace="0")
    browser.click("#write")
    browser.wait("!charrnn.isWriting && charrnn.text.length === 6")
    assert browser.evaluate("document.getElementById('unknown').hidden")
    assert browser.troubles == []


@pytest.mark.parametrize("dark", [False, True])
def test_on_a_phone_nothing_is_cut_off_in_light_and_dark(browser: Browser, dark: bool) -> None:
    browser.open(write(untrained(ALPHABET)), width=390, height=844, dark=dark, phone=True)
    assert browser.evaluate("document.documentElement.dataset.theme") == ("dark" if dark else "light")
    fill_in(browser, length="300", pace="0")
    browser.click("#write")
    browser.wait("!charrnn.isWriting")
    assert browser.evaluate("document.documentElement.scrollWidth") <= 390
    tints = (
        "new Set(Array.from(document.querySelectorAll('#written span'), (s) => getComputedStyle(s).backgroundColor))"
    )
    assert browser.evaluate(f"{tints}.size") == 1
    browser.click("#tint")
    assert browser.evaluate(f"{tints}.size") > 3
    assert browser.troubles == []


def test_on_a_phone_stop_stays_under_the_thumb_wherever_the_page_is(browser: Browser) -> None:
    browser.open(write(untrained(ALPHABET)), width=390, height=844, phone=True)
    bottom = "document.getElementById('write').getBoundingClientRect().bottom"
    assert 700 < browser.evaluate(bottom) <= 844
    fill_in(browser, length="100000", pace="0")
    browser.click("#write")
    browser.wait("charrnn.text.length > 2000 && scrollY > 844")  # the page follows the text
    assert 700 < browser.evaluate(bottom) <= 844
    browser.click("#write")
    assert browser.text("#write") == "Write"
    last = "document.querySelector('#written').lastChild.getBoundingClientRect().bottom"
    top = "document.querySelector('.buttons').getBoundingClientRect().top"
    browser.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    assert browser.evaluate(last) < browser.evaluate(top)
    assert browser.troubles == []


def test_hostile_names_and_characters_stay_text() -> None:
    trained = untrained("<&>\u2028\x00a")
    trained = replace(trained, corpus=replace(trained.corpus, name="<img src=x>\u202e"))
    path = write(trained)
    page = path.read_text(encoding="utf-8")
    assert "<img" not in page
    assert "&lt;img src=x&gt;\\u202e" in page
    found = re.search('id="data">(.*?)</script>', page)
    assert found
    assert json.loads(found[1])["vocabulary"] == trained.vocabulary.characters


def test_a_name_of_bytes_that_are_no_text_is_written_with_their_numbers() -> None:
    trained = untrained(ALPHABET)
    trained = replace(trained, corpus=replace(trained.corpus, name="caf\udce9"))
    for suffix in FORMATS:
        export(trained, f"model{suffix}")
        assert b"caf\\" in Path(f"model{suffix}").read_bytes()


def test_a_format_is_chosen_by_its_suffix_in_any_case() -> None:
    assert list(FORMATS) == [".html", ".safetensors", ".onnx", ".json"]
    trained = untrained(ALPHABET)
    assert export(trained, "MODEL.JSON") == Path("MODEL.JSON").stat().st_size
    assert json.loads(Path("MODEL.JSON").read_text())["name"] == "text"
    with pytest.raises(ConfigError, match=r"name a file that ends in \.html or \.safetensors or \.onnx or \.json$"):
        export(trained, "model.pt")

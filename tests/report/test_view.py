"""The page of what the cells look at: what Python puts in, and what a person sees of it in a real browser."""

import base64
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from charrnn import paths
from charrnn.checkpoint import Checkpoint, load
from charrnn.errors import TextError
from charrnn.probing import PROBES, Recording, correlations, record
from charrnn.report import pages
from charrnn.report.terminal import cells
from charrnn.scoring.reading import Scorer
from charrnn.text.passage import Passage, read_passage
from tests.browser import Browser
from tests.conftest import TINY, Charrnn
from tests.report.conftest import untrained

HOSTILE = (
    'a</script><script>document.title="bad"</script><!-- <script> &amp; {{data}}\n'
    "nul\x00 del\x7f escape\x1b[2J override\u202eabc\u2066 line\u2028paragraph\u2029tab\t soft\xad no-break\xa0 "
    "e\u0301 \u0301 joined\u200d \U0001f600 \u05e9\u05dc \u6f22\u5b57 sun\u2600\ufe0f \ufeff\n"
)
SIGNS = {"\n": "↵", "\t": "⇥", "\x00": "NUL", "\x1b": "ESC", "\x7f": "DEL"} | {
    hidden: f"U+{ord(hidden):04X}" for hidden in "\u202e\u2066\u2028\u2029\xad\xa0\u200d\ufe0f\ufeff"
}
PROSE = 6 * 'the "lamp" went round, And the sea\nwent "round the lamp" again.\n'


def passage_of(text: str, trained: Checkpoint) -> Passage:
    Path("text.txt").write_text(text, encoding="utf-8", newline="")
    return read_passage(["text.txt"], trained.vocabulary)


def write(trained: Checkpoint, text: str) -> Path:
    path = Path("pages.html")
    path.write_text(pages.view_page(trained, passage_of(text, trained), "mine"), encoding="utf-8")
    return path


def recording_of(trained: Checkpoint, text: str) -> Recording:
    line_feed = trained.vocabulary.encode("\n")
    return record(trained.model, trained.params, trained.vocabulary.encode(text), line_feed)


def data_in(page: str) -> dict[str, Any]:
    found = re.search('id="data">(.*?)</script>', page)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


def numbers_in(page: str, name: str, dtype: Any) -> NDArray[Any]:
    found = re.search(f'id="numbers-{name}">(.*?)</script>', page)
    assert found
    return np.frombuffer(base64.b64decode(found[1]), dtype)


def level_classes(values: NDArray[np.int8]) -> list[str]:
    levels = np.floor(12 * values.astype(float) / 127 + 0.5).astype(int)
    return ["" if not level else f"a{'m' if level < 0 else 'p'}{abs(level)}" for level in levels]


@pytest.mark.parametrize("cell", ["vanilla", "lstm", "gru"])
def test_the_page_holds_the_text_and_what_each_cell_did(cell: str) -> None:
    trained = untrained(PROSE, cell, (6, 5))
    page = pages.view_page(trained, passage_of(PROSE, trained), "mine")
    recording, data = recording_of(trained, PROSE), data_in(page)
    assert (data["text"], data["layers"], data["unseen"]) == (PROSE, [6, 5], [])
    rows = numbers_in(page, "activations", np.int8).reshape(11, -1)
    assert rows.shape[1] % 3 == 0
    np.testing.assert_array_equal(rows[:, : len(PROSE)], recording.activations)
    np.testing.assert_allclose(numbers_in(page, "surprise", "<f4"), recording.surprise / np.log(2), rtol=1e-6)
    np.testing.assert_array_equal(numbers_in(page, "guesses", "<u4"), recording.guesses.ravel())
    np.testing.assert_array_equal(numbers_in(page, "guess-probs", "<f4"), recording.guess_probs.ravel())
    assert [probe["name"] for probe in data["probes"]] == list(PROBES)
    for probe in data["probes"]:
        follows = correlations(recording.activations, PROBES[probe["name"]](PROSE))
        np.testing.assert_allclose(probe["follows"], follows, atol=6e-5)
    assert [gate["letter"] for gate in data["gates"]] == list(recording.gates)
    for gate in data["gates"]:
        openness = recording.gates[gate["letter"]] / 255
        np.testing.assert_array_equal(
            numbers_in(page, gate["letter"], np.uint8).reshape(11, -1)[:, : len(PROSE)], recording.gates[gate["letter"]]
        )
        np.testing.assert_allclose(gate["mean"], openness.mean(axis=1), atol=6e-5)
        np.testing.assert_allclose(gate["shut"], (openness < 0.1).mean(axis=1), atol=6e-5)
        np.testing.assert_allclose(gate["open"], (openness > 0.9).mean(axis=1), atol=6e-5)


def test_without_a_text_the_model_that_ships_reads_what_it_never_trained_on() -> None:
    trained = load(paths.PRETRAINED)
    passage = pages.choose_passage(trained, paths.PRETRAINED, (), "utf-8")
    whole = (paths.CORPORA / "harbour-clerk.txt").read_text(encoding="utf-8")
    held_out = whole[-13931:]
    assert passage.text() == held_out[held_out.index("\n") + 1 :]


def test_a_model_whose_text_is_gone_or_another_asks_for_one() -> None:
    shipped = load(paths.PRETRAINED)
    gone, other = replace(shipped.corpus, sources=("gone.txt",)), replace(shipped.corpus, sha256="0" * 64)
    for corpus, why in ((gone, "cannot be read again"), (other, "has changed since")):
        model = replace(shipped, corpus=corpus)
        with pytest.raises(TextError, match=rf"{why}.*: name one to look at, as in charrnn view mine\.npz book\.txt"):
            pages.choose_passage(model, Path("mine.npz"), (), "utf-8")


@pytest.fixture
def names(charrnn: Charrnn) -> Checkpoint:
    """A model of names, one a line."""
    Path("names.txt").write_text("anna\nbella\nclara\n" * 20, newline="")
    assert charrnn("train", "names.txt", *TINY, "--by-line", "--steps", "3", "--checkpoint", "names.npz").code == 0
    return load("names.npz")


def test_a_model_of_items_is_shown_the_items_it_never_trained_on_each_for_itself(names: Checkpoint) -> None:
    passage = pages.choose_passage(names, Path("names.npz"), (), "utf-8")
    held_out = passage.text().splitlines()
    assert len(held_out) == 6
    assert set(held_out) <= {"anna", "bella", "clara"}
    page = pages.view_page(names, passage, "names")
    scorer = Scorer(names.model, names.params, names.vocabulary, names.separator)
    surprise = numbers_in(page, "surprise", "<f4")
    assert surprise.mean() * np.log(2) == pytest.approx(scorer.mean(passage), rel=1e-5)
    first = surprise[np.cumsum([0, *(len(name) + 1 for name in held_out[:-1])])]
    for letter in "abc":  # each begins from the same fresh state
        assert len({value for value, name in zip(first, held_out, strict=True) if name[0] == letter}) <= 1


def test_a_text_for_a_model_of_items_is_read_as_items_whatever_else_it_has(names: Checkpoint) -> None:
    Path("other.txt").write_text("\n\nanna\n☃\n☃bella\nclara", newline="")
    passage = pages.choose_passage(names, Path("names.npz"), ["other.txt"], "utf-8")
    assert passage.text() == "anna\n☃\n☃bella\nclara\n"
    assert passage.notes == ("read as 4 items, each separately; left out 2 blank ones",)
    data = data_in(pages.view_page(names, passage, "names"))
    assert data["unseen"] == [5, 7]


def test_a_long_text_is_cut_to_what_is_asked_for_and_what_a_page_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    trained = untrained(PROSE, "lstm")
    passage = passage_of(PROSE, trained)
    assert pages.shorten(passage, trained, len(PROSE)) == (passage, "")
    short, note = pages.shorten(passage, trained, 7)
    assert (short.text(), note) == (PROSE[:7], f"shows the first 7 of {len(PROSE)} characters")
    monkeypatch.setattr(pages, "_MOST_NUMBERS", 6 * 4 * 10)  # 6 cells with 3 gates: 10 characters
    short, note = pages.shorten(passage, trained, 50)
    assert (short.text(), note) == (
        PROSE[:10],
        f"shows the first 10 of {len(PROSE)} characters, which is as much as a page holds",
    )


def test_a_text_of_unknown_characters_alone_is_refused() -> None:
    trained = untrained("ab\n")
    with pytest.raises(TextError, match="knows none of this text's characters"):
        pages.view_page(trained, passage_of("☃☃", trained), "mine")


def test_cells_are_chosen_stepped_through_and_found_and_colour_the_text(browser: Browser) -> None:
    trained = untrained(PROSE, "gru", (9,))
    recording = recording_of(trained, PROSE)
    browser.open(write(trained, PROSE))
    spans = "Array.from(document.querySelectorAll('.row span')).slice(1, 90).map((s) => s.className.split(' ')[0])"

    def is_coloured_by(cell: int) -> None:
        seen = [name if re.fullmatch(r"a[pm]\d+", name) else "" for name in browser.evaluate(spans)]
        assert seen == level_classes(recording.activations[cell])[1:90]

    follows = correlations(recording.activations, PROBES["inside quotes"](PROSE))
    order = sorted(range(9), key=lambda cell: -abs(np.round(follows[cell], 4)))
    assert browser.evaluate("document.getElementById('cell').value") == str(order[0])
    is_coloured_by(order[0])
    browser.click("#text")
    browser.press("]")
    is_coloured_by(order[1])
    browser.press("[", "[")
    is_coloured_by(order[-1])
    browser.click("#cell-after")
    is_coloured_by(order[0])
    browser.click(f"#option-{order[3]}")
    is_coloured_by(order[3])
    browser.press("ArrowDown", "ArrowDown")  # the list has no focus by a click: the text takes the keys
    browser.evaluate("document.getElementById('cell').focus()")
    browser.type("4")
    is_coloured_by(4)
    browser.type("99")
    assert browser.evaluate("document.getElementById('cell').getAttribute('aria-invalid')") == "true"
    browser.press("Escape")
    assert browser.evaluate("document.getElementById('cell').value") == "4"
    assert browser.troubles == []


def test_the_other_colours_are_surprise_and_the_gates(browser: Browser) -> None:
    trained = untrained(PROSE, "lstm")
    recording = recording_of(trained, PROSE)
    browser.open(write(trained, PROSE))
    browser.click("#text")
    first = "Array.from(document.querySelectorAll('.row span')).slice(40, 80).map((s) => s.className.split(' ')[0])"
    browser.press("s")
    bits = recording.surprise[40:80] / np.log(2)
    heat = np.minimum(12, np.floor(12 * bits / 8 + 0.5)).astype(int)
    seen = browser.evaluate(first)
    assert [name for name in seen if name != "sign"] == [
        f"sp{level}" for level, name in zip(heat, seen, strict=True) if name != "sign"
    ]
    for letter in "ifo":
        browser.press("g")
        assert browser.evaluate(f"document.getElementById('show-{letter}').checked")
        cell = int(browser.evaluate("document.getElementById('cell').value"))
        openness = np.floor(12 * (recording.gates[letter][cell, 40:80] / 255) + 0.5).astype(int)
        assert browser.evaluate(first) == [f"gp{level}" if level else "" for level in openness]
    assert "forget gate f" in browser.text("#gates")
    browser.press("a")
    assert browser.evaluate("document.getElementById('show-a').checked")
    browser.press("x")
    assert browser.text("#high") == f"+{np.abs(recording.activations[cell].astype(int)).max() / 127:.2f}"
    assert browser.troubles == []


def test_the_cursor_shows_what_was_expected(browser: Browser) -> None:
    trained = untrained(PROSE, "vanilla")
    recording = recording_of(trained, PROSE)
    browser.open(write(trained, PROSE))
    browser.click("#text")
    browser.evaluate("charrnn.panel.moveTo(0)")
    browser.press("ArrowRight", "ArrowRight", "ArrowDown", "ArrowUp", "ArrowRight")
    assert browser.text("#here") == " "
    assert browser.text("#here-name").startswith("space, U+0020 · no. 4")
    assert browser.text("#here-surprise") == f"{recording.surprise[3] / np.log(2):.2f} bits of surprise"
    shares = browser.evaluate("Array.from(document.querySelectorAll('#guesses .share'), (share) => share.innerText)")
    assert shares[:5] == [f"{100 * share:.1f} %" for share in recording.guess_probs[3]]
    right = browser.text("#guesses .right")
    assert right == f"space{100 * np.exp(-recording.surprise[3]):.1f} %"
    assert browser.evaluate("document.getElementById('gates-card').hidden")
    assert browser.troubles == []


@pytest.mark.parametrize(
    ("text", "probe"),
    [
        ('"Ab", she said.\nNo. ' * 9, "inside quotes"),
        ("ab cd ef\n" * 9, "position in line"),
        ("Ab cd ef " * 9, "position in line"),
        ("....", "position in line"),
        (".", "how much they move"),
    ],
)
def test_the_page_opens_on_a_probe_that_finds_something(browser: Browser, text: str, probe: str) -> None:
    trained = untrained(text + "\n")
    page = Path("page.html")
    page.write_text(pages.view_page(trained, passage_of(text, trained), "mine"), encoding="utf-8")
    browser.open(page)
    assert browser.evaluate("document.getElementById('probe').value") == probe
    figures = browser.evaluate("Array.from(document.querySelectorAll('#ranking em'), (figure) => figure.textContent)")
    about = browser.text("#probe-about")
    assert ("No cell follows a probe on this text" in about) == (probe == "how much they move")
    assert set(figures) != {"+0.00"}
    assert browser.troubles == []


def test_marks_take_the_columns_of_the_view_that_they_take_on_a_terminal(browser: Browser) -> None:
    text = "ที่นี่ का e\u0301 漢 ab"
    trained = untrained(text)
    page = Path("page.html")
    page.write_text(pages.view_page(trained, passage_of(text, trained), "mine"), encoding="utf-8")
    browser.open(page)
    assert browser.evaluate("Array.from(charrnn.panel.widths)") == [cells(c) for c in text]


def test_a_search_marks_its_matches_and_ranks_the_cells_by_them(browser: Browser) -> None:
    trained = untrained(PROSE, "gru", (9,))
    recording = recording_of(trained, PROSE)
    browser.open(write(trained, PROSE))
    browser.click("#text")
    browser.press("/")
    browser.type("/l[ao]mp/")
    browser.wait("document.getElementById('probe').value === 'the matches of the search'")
    assert browser.text("#found") == "12 found"
    inside = np.zeros(len(PROSE))
    for match in re.finditer("lamp", PROSE):
        inside[match.start() : match.end()] = 1
    found = browser.evaluate("Array.from(charrnn.ranking.orders.get('the matches of the search').follows)")
    np.testing.assert_allclose(found, correlations(recording.activations, inside), atol=2e-3)
    browser.press("Enter", "Enter")
    assert browser.text("#found") == "2 of 12"
    assert browser.evaluate("charrnn.panel.cursor") == [m.start() for m in re.finditer("lamp", PROSE)][1]
    assert browser.evaluate("document.querySelectorAll('.hit').length") == 48
    browser.evaluate("document.getElementById('query').select()")
    browser.type("/(/")
    browser.wait("document.getElementById('found').innerText === 'no pattern'")
    assert browser.troubles == []


def test_a_hostile_text_shows_harmlessly_and_exactly(browser: Browser) -> None:
    trained = untrained(HOSTILE, "gru", (4, 3))
    browser.open(write(trained, HOSTILE))
    assert browser.evaluate("charrnn.reading.text") == HOSTILE
    assert browser.evaluate("document.title") == "What the cells of mine look at"
    shown = browser.evaluate("charrnn.panel.shown")
    expected = [SIGNS.get(character, character) for character in HOSTILE]
    alone = HOSTILE.index(" \u0301") + 1
    expected[alone] = "\u25cc\u0301"  # on a circle, for there is no letter before it
    assert shown == expected
    assert browser.evaluate("document.querySelectorAll('.row span').length") == len(HOSTILE)
    browser.evaluate("charrnn.choose(5)")
    assert browser.evaluate("document.getElementById('cell').value") == "1:1"
    browser.evaluate("charrnn.search.query.value = '😀'; charrnn.search.run()")
    assert browser.evaluate("Array.from(charrnn.search.matches[0])") == [HOSTILE.index("😀"), HOSTILE.index("😀") + 1]
    assert browser.troubles == []


def test_characters_the_model_never_saw_are_shown_and_not_read(browser: Browser) -> None:
    trained = untrained(PROSE)
    browser.open(write(trained, "the ☃ lamp"))
    assert browser.evaluate("document.querySelectorAll('.row .new').length") == 1
    browser.evaluate("charrnn.panel.moveTo(4)")
    assert browser.text("#here-surprise") == "unknown to the model, which has not read it"
    browser.evaluate("charrnn.panel.moveTo(6)")
    surprise = recording_of(trained, "the  lamp").surprise[5] / np.log(2)
    assert browser.text("#here-surprise") == f"{surprise:.2f} bits of surprise"
    assert browser.troubles == []


def test_a_long_text_has_only_what_is_in_sight_in_the_document(browser: Browser) -> None:
    text = PROSE * 40
    browser.open(write(untrained(PROSE), text))
    browser.click("#text")
    browser.evaluate(f"charrnn.panel.moveTo({len(text) - 1})")
    browser.wait("charrnn.panel.scrollTop > 0")
    assert browser.evaluate("document.querySelectorAll('.row').length") < 60
    assert browser.evaluate("document.querySelector('.cursor').position") == len(text) - 1
    assert browser.troubles == []


@pytest.mark.parametrize("dark", [False, True])
def test_on_a_phone_nothing_is_cut_off_in_light_and_dark(browser: Browser, dark: bool) -> None:
    browser.open(write(untrained(PROSE, "lstm"), PROSE), width=390, height=844, dark=dark, phone=True)
    assert browser.evaluate("document.documentElement.scrollWidth") <= 390
    assert browser.evaluate("document.documentElement.dataset.theme") == ("dark" if dark else "light")
    rights = browser.evaluate(
        "Array.from(document.querySelectorAll('.row'), (row) => row.getBoundingClientRect().right)"
    )
    assert max(rights) <= 350  # the map has the last 40
    browser.click("#theme")
    assert browser.evaluate("document.documentElement.dataset.theme") == ("light" if dark else "dark")
    assert browser.troubles == []

"""What is held out of items is whole ones, by chance, and the same for training, resuming, scoring and yardsticks."""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import charrnn
from charrnn import checkpoint
from charrnn.config import TrainConfig
from charrnn.errors import CheckpointError, TextError
from charrnn.scoring.reading import Scorer
from charrnn.scoring.yardsticks import Figure, Slice, compare
from charrnn.text.items import Documents, Items
from charrnn.text.passage import read_passage
from charrnn.text.vocabulary import Vocabulary
from charrnn.training.data import characters_in, divide, joined_starts, learned, running, training_part
from charrnn.training.evaluation import Evaluator
from charrnn.training.run import Run, compare_held_out
from charrnn.training.start import resume, train
from tests.test_checkpoint import edited

NAMES = [f"{first}{middle}{last}" for first in "abc" for middle in ("na", "lo", "rimi") for last in ("x", "by", "wick")]
SMALL: Mapping[str, Any] = {"separator": "\n", "hidden_sizes": (8,), "batch_size": 4, "steps": 6, "eval_every": 2}


@pytest.fixture
def names() -> str:
    Path("names.txt").write_text("\n".join([*NAMES, ""]), newline="")
    return "names.txt"


def start(text: str, path: str = "run.npz", **changes: Any) -> Run:
    run = train([text], checkpoint=Path(path), **{**SMALL, **changes})
    for _ in run.events():
        pass
    return run


def words(part: Any, vocabulary: Vocabulary) -> list[str]:
    assert isinstance(part, Items)
    return vocabulary.decode(part.joined()).split("\n")[:-1]


def evaluator_of(run: Run) -> Evaluator:
    assert run.evaluator
    return run.evaluator


@pytest.mark.parametrize("val_fraction", [0.0, 0.1, 0.5, 0.99])
def test_both_parts_together_are_all_items_and_each_is_in_one(val_fraction: float) -> None:
    vocabulary = Vocabulary.from_text("\n".join(NAMES))
    ids = vocabulary.encode("\n".join(NAMES))
    training, held_out, notes = divide(ids, vocabulary, TrainConfig(separator="\n", val_fraction=val_fraction))
    assert sorted(words(training, vocabulary) + words(held_out, vocabulary)) == sorted(NAMES)
    assert len(held_out) == min(np.ceil(len(NAMES) * val_fraction), len(NAMES) - 1)
    assert notes == ()


def test_the_choice_goes_by_the_seed_and_is_no_end_of_the_list() -> None:
    vocabulary = Vocabulary.from_text("\n".join(NAMES))
    ids = vocabulary.encode("\n".join(NAMES))
    chosen = [
        words(divide(ids, vocabulary, TrainConfig(separator="\n", rng_seed=seed)).held_out, vocabulary)
        for seed in range(20)
    ]
    assert chosen[0] == words(divide(ids, vocabulary, TrainConfig(separator="\n")).held_out, vocabulary)
    assert len({*map(tuple, chosen)}) > 15
    assert len({name for names in chosen for name in names}) > 20


def test_a_single_item_is_not_held_out() -> None:
    vocabulary = Vocabulary("\nab")
    division = divide(vocabulary.encode("ab\n"), vocabulary, TrainConfig(separator="\n"))
    assert (len(division.training), len(division.held_out)) == (1, 0)


@pytest.mark.parametrize(
    ("text", "note"),
    [("ab\n\nb\n", "left out 1 blank line"), ("\n\n\nab\nb", "left out 3 blank lines"), ("ab\nb\n", None)],
)
def test_empty_items_are_left_out_and_said_once(text: str, note: str | None) -> None:
    Path("text").write_text(text, newline="")
    assert [line for line in start("text").notes if "left out" in line] == [note] * bool(note)


def test_a_text_without_its_separator_is_refused() -> None:
    Path("text").write_text("ab ba", newline="")
    with pytest.raises(TextError, match=r"does not contain the separator '\\n', so it is a single item"):
        start("text")
    with pytest.raises(TextError, match=r"for a line end give a real one"):
        start("text", separator="\\n")
    Path("text").write_text("\n\n\n", newline="")
    with pytest.raises(TextError, match="there is nothing between its separators"):
        start("text", val_fraction=0.0)


def test_every_part_of_the_program_has_the_same_held_out_items(names: str) -> None:
    run = start(names)
    evaluator, model = evaluator_of(run), checkpoint.load("run.npz")
    held_out = words(evaluator.scored, model.vocabulary)
    # what is trained on, in training and when a later command asks
    assert isinstance(run.trainer.streams, Documents)
    trained_on = words(run.trainer.streams.items, model.vocabulary)
    assert sorted(trained_on + held_out) == sorted(NAMES)
    assert words(learned(model), model.vocabulary) == trained_on
    assert model.vocabulary.decode(training_part(model)) == "\n".join(["", *trained_on, ""])
    # a run that goes on
    resumed = resume(Path("run.npz"), steps=40)
    assert words(evaluator_of(resumed).scored, model.vocabulary) == held_out
    # the command `score`, and the yardsticks
    Path("held.txt").write_text("\n\n".join(held_out), newline="")
    passage = read_passage(["held.txt"], model.vocabulary).as_items(model.vocabulary.encode("\n"))
    assert passage.text() == "\n".join([*held_out, ""])
    scored = Scorer(model.model, model.params, model.vocabulary, model.separator).mean(passage)
    assert scored == pytest.approx(evaluator.loss(model.params), rel=1e-6)
    compared = compare_held_out(run, evaluator)
    assert compared.characters == evaluator.transitions == len(passage.ids)
    assert compared.model.nats == model.progress.best[1] if model.progress.best else False


def test_an_evaluation_is_the_mean_over_items_read_one_at_a_time(names: str) -> None:
    run = start(names, val_fraction=0.6, dtype="float64")
    model, params, evaluator = run.trainer.model, run.trainer.params, evaluator_of(run)
    total, items = 0.0, evaluator.scored
    assert isinstance(items, Items)
    for number in range(len(items)):
        own = np.array([number])
        text = items.window(own, 0, int(items.spans(own)[0]) + 1)[:, 0]
        total += Evaluator(model, text).loss(params) * (len(text) - 1)
    assert evaluator.loss(params) == pytest.approx(total / evaluator.transitions, rel=1e-12)
    assert evaluator.loss(params) == evaluator.loss(params)
    beginning = evaluator.beginning(20)
    assert 20 <= beginning.transitions < 30
    assert evaluator.beginning(10**6).transitions == evaluator.transitions


def test_of_very_many_held_out_items_a_few_from_everywhere_are_scored(
    names: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("charrnn.training.evaluation.MOST_CHARACTERS", 40)
    run = start(names, val_fraction=0.6)
    vocabulary, evaluator = run.trainer.vocabulary, evaluator_of(run)
    held_out = divide(vocabulary.encode("\n".join(NAMES)), vocabulary, run.trainer.config).held_out
    assert run.held_out_characters == characters_in(held_out) in range(121, 160)
    every_fourth = words(held_out, vocabulary)[::4]
    assert words(evaluator.scored, vocabulary) == every_fourth
    assert evaluator.transitions == sum(map(len, every_fourth)) + len(every_fourth) < 60
    # However many score them together, each is scored once: a part's own items may be longer than the bound.
    monkeypatch.setattr("charrnn.training.evaluation.MOST_CHARACTERS", 8)
    params = run.trainer.params
    parts = [part for part in (evaluator.part(index, 3) for index in range(3)) if part]
    assert sum(len(text) - 1 for part in parts for text in part.texts) == evaluator.transitions
    total = sum(part.total(params) for part in parts)
    assert total / evaluator.transitions == pytest.approx(evaluator.loss(params), rel=1e-5)


def test_a_scorer_of_items_charges_what_it_never_saw_and_reads_on(names: str) -> None:
    start(names)
    model = checkpoint.load("run.npz")

    def mean(text: str) -> float:
        Path("text").write_text(text, newline="")
        passage = read_passage(["text"], model.vocabulary).as_items(model.vocabulary.encode("\n"))
        return Scorer(model.model, model.params, model.vocabulary, "\n").mean(passage) * len(passage.ids)

    assert mean("anax\nblob") == pytest.approx(mean("blob\n\nanax\n"), rel=1e-6)
    assert mean("anax\nblob") == pytest.approx(mean("anax") + mean("blob"), rel=1e-6)
    assert mean("aZnaxZ\nblob") == pytest.approx(mean("anax") + mean("blob") + 2 * np.log(0x110000), rel=1e-6)
    with pytest.raises(TextError, match="nothing to read"):
        mean("\n\n")


def test_a_checkpoint_remembers_the_items_it_was_trained_on(names: str) -> None:
    start(names)
    model = checkpoint.load("run.npz")
    counts = model.corpus.items
    assert model.separator == "\n"
    assert counts
    assert (counts.training, counts.held_out, counts.longest) == (24, 3, 9)
    assert counts.training_characters + counts.held_out_characters == len("\n".join([*NAMES, ""]))
    assert characters_in(learned(model)) == counts.training_characters
    assert len(running(learned(model))) == counts.training_characters + 1


def test_a_checkpoint_that_contradicts_itself_is_damaged(names: str) -> None:
    start(names)
    for part, values in (
        ("config", {"separator": "Z"}),
        ("config", {"separator": 7}),
        ("corpus", {"items": None}),
        ("corpus", {"items": {"training": -1}}),
        ("corpus", {"items": [1]}),
    ):
        shutil.copy("run.npz", "other.npz")
        edited("other.npz", lambda meta: meta[part].update(values))  # noqa: B023
        with pytest.raises(CheckpointError, match="damaged"):
            checkpoint.load("other.npz")


def test_a_model_whose_choice_cannot_be_made_again_has_no_training_text_and_cannot_go_on(names: str) -> None:
    start(names)
    model = checkpoint.load("run.npz")
    edited("run.npz", lambda meta: meta["config"].update(rng_seed=5))
    with pytest.raises(CheckpointError, match="damaged"):
        resume(Path("run.npz"), steps=40)
    with pytest.raises(TextError, match="cannot be chosen again"):
        learned(replace(model, config={**model.config, "rng_seed": 5}))


def test_a_run_goes_on_with_another_list(names: str) -> None:
    start(names)
    Path("other.txt").write_text("wickby\nlolo\nnaxi\n", newline="")
    run = resume(Path("run.npz"), ["other.txt"], allow_new_text=True, steps=40)
    assert "batch size 2 instead of 4: there are too few items" in run.notes
    for _ in run.events():
        pass
    counts = checkpoint.load("run.npz").corpus.items
    assert counts
    assert (counts.training, counts.held_out) == (2, 1)


def test_items_in_memory_are_all_learned_saved_and_gone_on_with() -> None:
    text = "\n".join([*NAMES, ""])
    how: dict[str, Any] = {"separator": "\n", "hidden_sizes": (8,), "schedule_steps": 9, "batch_size": 4}
    whole, first = (charrnn.train(text, steps=steps, val_fraction=0, **how) for steps in (9, 5))
    for run in (whole, first):
        list(run)
    charrnn.save("names.npz", first.checkpoint())
    saved = charrnn.load("names.npz")
    assert saved.corpus.items
    assert (saved.corpus.items.training, saved.corpus.items.held_out) == (27, 0)
    resumed = charrnn.resume(saved, text, steps=9)
    assert [event.step for event in resumed if isinstance(event, charrnn.StepReport)] == [6, 7, 8, 9]
    assert resumed.params.vector.tobytes() == whole.params.vector.tobytes()
    written = ["".join(charrnn.sample_text(trained, rng_seed=3)) for trained in (whole, resumed.checkpoint())]
    assert written[0] == written[1]
    assert "\n" not in written[0]


@given(st.lists(st.sampled_from(["ana", "bob", "cid", "a", "b"]), min_size=2, max_size=12), st.integers(0, 9))
def test_it_is_told_how_many_items_repeat_and_how_many_are_trained_on_too(words_: list[str], seed: int) -> None:
    vocabulary = Vocabulary("\nabcdinoz")
    ids = vocabulary.encode("\n".join([*words_, "zz"]))
    config = TrainConfig(separator="\n", val_fraction=0.4, rng_seed=seed)
    training, held_out, notes = divide(ids, vocabulary, config)
    learned_words, kept = words(training, vocabulary), words(held_out, vocabulary)
    repeated = len(words_) - len(set(words_))
    seen = sum(word in learned_words for word in kept)
    leak = f", and {seen} of the {len(kept)} held out are trained on too" if seen else ""
    told = f"{repeated} of {len(words_) + 1} items repeat an earlier one{leak}; --unique leaves repetitions out"
    assert notes == ((told,) if repeated else ())
    parts = divide(ids, vocabulary, replace(config, unique=True))
    both = words(parts.training, vocabulary) + words(parts.held_out, vocabulary)
    assert sorted(both) == sorted({*words_, "zz"})


def test_no_yardstick_depends_on_what_stands_around_an_item() -> None:
    """Also where an item and the separator after it have a separator between them: ``xab`` and ``aba``."""
    files = {"1": "xab", "2": "bobx", "3": "axxb", "4": "oxab"}
    for name, text in files.items():
        Path(name).write_text(text)
    Path("all").write_text("ob aba xox aba obo aba bbx aba xoab".replace(" ", ""))
    changes: dict[str, Any] = {"separator": "aba", "hidden_sizes": (4,), "steps": 1, "val_fraction": 0.0}
    for _ in train(["all", *files], checkpoint=Path("items.npz"), **changes).events():
        pass
    model = checkpoint.load("items.npz")
    part = learned(model)

    def figures(*names: str) -> dict[str, float]:
        passage = read_passage(names, model.vocabulary).as_items(model.vocabulary.encode("aba"))
        text = Slice.from_passage(passage, model.vocabulary, running(part), "aba", joined_starts(part))
        compared = compare(Figure("model", 1.0), text, model.vocabulary)
        return {figure.name: figure.nats for figure in compared.yardsticks if "gram" in figure.name}

    assert figures("1", "2", "4", "3") == pytest.approx(figures("3", "4", "2", "1"), rel=1e-12)

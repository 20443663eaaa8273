"""A trained model in one line."""

from pathlib import Path

from charrnn.checkpoint import Checkpoint
from charrnn.errors import shown
from charrnn.report.terminal import visible
from charrnn.report.units import describe_loss
from charrnn.text.remembered import CorpusInfo


def describe_model(trained: Checkpoint, path: Path) -> str:
    """Say which model it is, what it learned, and how good it is."""
    model, progress = trained.model, trained.progress
    sizes = "+".join(map(str, model.hidden_sizes))
    figure = ""
    if progress.history:
        step, loss = progress.history[-1]
        figure = f", held out {describe_loss(loss)} at step {step:,}"
    learned = f"learned {shown(trained.corpus.name)} for {progress.step:,} steps"
    return visible(f"{shown(str(path))}: {model.cell} {sizes}, {learned}{figure}")


def introduce(trained: Checkpoint, path: Path, rng_seed: int) -> str:
    """Say which model writes, and how to have the same text again."""
    return f"{describe_model(trained, path)}; --rng-seed {rng_seed} writes this again"


def describe_parts(corpus: CorpusInfo, held_out: int) -> str:
    """Say how much of a text is trained on and how many characters are held out, and of how many items."""
    if items := corpus.items:
        trained_on = f"{items.training:,} items of {items.training_characters:,} characters"
        return f"{trained_on} + {items.held_out:,} of {items.held_out_characters:,} held out"
    return f"{corpus.characters - held_out:,} characters + {held_out:,} held out"

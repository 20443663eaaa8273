"""A run that is ready to start, and what both ways to one have in common."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from charrnn.archive import Lock
from charrnn.checkpoint import Checkpoint
from charrnn.text.corpus import Corpus, text_identity
from charrnn.text.remembered import CorpusInfo
from charrnn.text.vocabulary import Vocabulary
from charrnn.training.config import BOUNDS, TrainConfig
from charrnn.training.division import Division, characters_in
from charrnn.training.run import Run
from charrnn.training.team import ALONE, Team
from charrnn.training.trainer import Trainer


@dataclass(frozen=True)
class PreparedRun:
    """A run and what a user should know before it starts."""

    run: Run
    notes: tuple[str, ...]
    validation_characters: int
    warnings: tuple[str, ...] = ()
    """Notes that concern what the run promises: not for quiet ears to miss."""
    saved_rollbacks: int = 0
    """Of the checkpoint that a resumed run starts from; another learning rate makes the run itself forget them."""


def change(config: TrainConfig, changes: Mapping[str, Any]) -> TrainConfig:
    """Return a configuration with other values; where one bound of the run is given, the others bind no more."""
    bounds = {name: value for name, value in changes.items() if name in BOUNDS}
    others = {name: value for name, value in changes.items() if name not in BOUNDS}
    return replace(config.with_bounds(bounds), **others)


def corpus_info(corpus: Corpus, decoding: Mapping[str, Any], division: Division) -> CorpusInfo:
    """Return what a checkpoint remembers of a text that was read and divided so."""
    return CorpusInfo(
        name=corpus.name,
        sources=corpus.sources,
        sha256=text_identity(corpus.sha256, corpus.file_ends, of_items=division.counts is not None),
        characters=len(corpus.ids),
        items=division.counts,
        **decoding,
    )


def prepare(
    config: TrainConfig,
    vocabulary: Vocabulary,
    division: Division,
    info: CorpusInfo,
    path: Path,
    lock: Lock,
    notes: tuple[str, ...],
    *,
    start: Checkpoint | None = None,
    source: Checkpoint | None = None,
    team: Team = ALONE,
) -> PreparedRun:
    """Build the network and all that trains it.

    Parameters
    ----------
    vocabulary, division : of the text
    info : what the checkpoint remembers of it
    path, lock : where to save, and what keeps other runs off it
    start : checkpoint to go on from
    source : checkpoint whose weights a fresh run starts from
    team : who trains it
    """
    trainer = Trainer(config, vocabulary, division.training, start, source, team)
    trainer.corpus = info
    evaluator = team.evaluator(trainer.model, division.held_out)
    run = Run(trainer, info, evaluator, path, start, lock)
    return PreparedRun(run, (*notes, *division.notes), characters_in(division.held_out))

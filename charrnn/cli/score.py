"""``charrnn score``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from charrnn.cli import options
from charrnn.cli.completion import TextName
from charrnn.cli.help import Command
from charrnn.errors import TextError
from charrnn.paths import PRETRAINED

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from charrnn.checkpoint import Checkpoint


_HELP = """\
Measure how well a model predicts TEXT: files, - for stdin, or the name of a bundled text.

If the first argument ends in .npz, it is the CHECKPOINT. The default is the newest one in ./checkpoints, or the model
that comes with the program. For comparison the scores of simple methods that know the same training text are shown. A
model trained on items reads each item separately. With --by-line, each line that is not blank is printed after its bits
per character and its number, separated by tabs.
"""


@click.command(
    cls=Command,
    short_help="Measure how well a model predicts a text.",
    epilog="Example: charrnn score --by-line letters.txt | head",
    help=_HELP,
)
@click.argument("words", required=True, metavar="[CHECKPOINT] TEXT...", nargs=-1, type=TextName(or_checkpoint=True))
@click.option("--by-line", is_flag=True, help="Score each line separately, the most surprising first.")
@click.option("--encoding", default="utf-8", show_default=True, help="Encoding of the text.")
@options.errors
@options.json
@options.quiet
def score(words: tuple[str, ...], by_line: bool, encoding: str, errors: str | None, as_json: bool, quiet: bool) -> None:
    """Measure how well a model predicts TEXT."""
    from charrnn.checkpoint import load
    from charrnn.paths import newest
    from charrnn.report import tables
    from charrnn.report.progress import TextProgress
    from charrnn.report.samples import describe_model
    from charrnn.report.terminal import TextWriter, say, stdout_width
    from charrnn.scoring.reading import Scorer, as_items
    from charrnn.scoring.yardsticks import Figure, Slice, compare
    from charrnn.text.passage import read_passage

    has_checkpoint = words[0].endswith(".npz")
    path = Path(words[0]) if has_checkpoint else newest() or PRETRAINED
    trained, track = load(path), TextProgress(is_quiet=quiet).track
    vocabulary = trained.vocabulary
    decoding = {**trained.corpus.decoding, "encoding": encoding, "errors": errors or "strict"}
    passage = read_passage(words[has_checkpoint:], vocabulary, **decoding)
    passage = passage if by_line else as_items(passage, vocabulary.encode(trained.separator))
    same = tables.describe_sameness(trained, passage)
    for line in () if quiet else (describe_model(trained, path), *passage.notes, *same):
        say(line)
    scorer = Scorer(trained.model, trained.params, vocabulary, trained.separator)
    if by_line:
        ranking = scorer.rank_lines(passage, track)
        if unseen := tables.describe_unseen(passage.of_pieces([ranked.passage for ranked in ranking])):
            say(unseen)
        with TextWriter() as writer:
            for ranked in ranking:
                writer.write(tables.line_json(ranked) if as_json else tables.line_text(ranked))
        return
    training, starts = _learned(trained, quiet=quiet)
    text = Slice.from_passage(passage, vocabulary, training, trained.separator, starts)
    comparison = compare(Figure("the model", scorer.mean(passage, track)), text, vocabulary, track)
    with TextWriter() as writer:
        if as_json:
            writer.write(tables.scores_json(comparison, trained, passage, path))
        else:
            writer.write(tables.scores_table(comparison, stdout_width(), tables.describe_unseen(passage)))


def _learned(trained: "Checkpoint", *, quiet: bool) -> "tuple[NDArray[np.integer] | None, NDArray[np.intp] | None]":
    """Return the training text and where its items begin; if it is missing, None for both and a line about it."""
    from charrnn.report.progress import Preparation
    from charrnn.report.terminal import say
    from charrnn.training.data import joined_starts, learned, running

    try:
        with Preparation(is_quiet=quiet) as watcher:
            part = learned(trained, watcher)
    except TextError as error:
        say(f"methods that learn are left out: {error}")
        return None, None
    return running(part), joined_starts(part)

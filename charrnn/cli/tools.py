"""The commands besides ``train`` and ``sample``: they look at a model, at a run or at the cache, and change none."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from charrnn.cli import options
from charrnn.cli.completion import CheckpointPath, FilePath, TextName
from charrnn.cli.help import Command
from charrnn.errors import CheckpointError, ConfigError, TextError, WrongGradientError, shown
from charrnn.paths import PRETRAINED, find_model, newest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from charrnn.checkpoint import Checkpoint

_checkpoint = click.argument("checkpoint", required=False, metavar="[CHECKPOINT]", type=CheckpointPath())
_encoding = click.option("--encoding", default="utf-8", show_default=True, help="Encoding of the text.")


def _chosen(words: Sequence[str], *, needs_text: bool = False) -> tuple[Path, Sequence[str]]:
    """Return the checkpoint that the arguments begin with, or the usual one, and the texts after it."""
    if words:
        first = Path(words[0])
        if len(words) > 1 or not needs_text:  # a name may be that of a model and of a text
            first = find_model(first)
        if first.name.endswith(".npz"):
            return first, words[1:]
    return newest() or PRETRAINED, words


_LIST = """\
List the models here.

These are the runs in ./checkpoints and in this folder, the newest first, and the model that comes with the program.
Every CHECKPOINT can be given by its name in this list, such as `charrnn sample kafka`. A name stands for the run's best
model on held-out text.
"""


@click.command("list", cls=Command, epilog="Example: charrnn list --json", help=_LIST)
@options.json
def list_models(as_json: bool) -> None:
    """List the models here."""
    from charrnn.checkpoint import summarize
    from charrnn.paths import LOCAL_CHECKPOINTS, models
    from charrnn.report import tables
    from charrnn.report.terminal import say, stdout_width

    found = []
    for name, path in models().items():
        try:
            found.append(tables.Listed(name, path, summarize(path)))
        except CheckpointError as error:
            if path.parent == LOCAL_CHECKPOINTS:  # elsewhere it may be any other file of NumPy's
                say(f"left out: {error}")
    click.echo(tables.models_json(found) if as_json else tables.models_table(found, stdout_width()), nl=False)


_INFO = """\
Show a checkpoint's details.

These are its model, its size and its loss, the text it was trained on, for how long, and with what command. CHECKPOINT
is by default the newest in ./checkpoints, or else the model that comes with the program.
"""


@click.command(cls=Command, epilog="Example: charrnn info --json checkpoints/book.npz", help=_INFO)
@_checkpoint
@options.json
def info(checkpoint: Path | None, as_json: bool) -> None:
    """Show a checkpoint's details."""
    from charrnn.report import tables
    from charrnn.report.terminal import stdout_width

    values = tables.info_values(checkpoint or newest() or PRETRAINED)
    click.echo(tables.info_json(values) if as_json else tables.info_text(values, stdout_width()), nl=False)


_SCORE = """\
Measure how well a model predicts TEXT: files, - for stdin, or the name of a bundled text.

The first argument is the CHECKPOINT if it ends in .npz, or is a name in `charrnn list` and a TEXT follows. The default
is the newest one in ./checkpoints, or the model that comes with the program. For comparison the scores of simple
methods that know the same training text are shown. A model trained on items reads each item separately. With --by-line,
each line that is not blank is printed after its bits per character and its number, separated by tabs. With --windows,
the model remembers nothing from before a window, as in nanoGPT's estimates of the loss.
"""


@click.command(cls=Command, epilog="Example: charrnn score --by-line letters.txt | head", help=_SCORE)
@click.argument("words", required=True, metavar="[CHECKPOINT] TEXT...", nargs=-1, type=TextName(or_checkpoint=True))
@click.option("--by-line", is_flag=True, help="Score each line separately, the most surprising first.")
@click.option(
    "--windows", metavar="N", type=options.WholeNumber(min=1), help="Read the text in windows of N characters."
)
@_encoding
@options.errors
@options.json
@options.quiet
def score(
    words: tuple[str, ...],
    by_line: bool,
    windows: int | None,
    encoding: str,
    errors: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Measure how well a model predicts TEXT."""
    from charrnn.checkpoint import load
    from charrnn.report import tables
    from charrnn.report.progress import TextProgress
    from charrnn.report.samples import describe_model
    from charrnn.report.terminal import TextWriter, say, stdout_width
    from charrnn.scoring.reading import Scorer
    from charrnn.scoring.yardsticks import Figure, Slice, compare
    from charrnn.text.passage import read_passage

    path, texts = _chosen(words, needs_text=True)
    trained, track = load(path), TextProgress(is_quiet=quiet).track
    if windows and (by_line or trained.separator):
        raise ConfigError("--windows is for a text that the model reads as a whole, not for separate lines or items")
    vocabulary = trained.vocabulary
    decoding = {**trained.reading, "encoding": encoding, "errors": errors or "strict"}
    passage = read_passage(texts, vocabulary, **decoding)
    passage = passage if by_line else passage.as_items(vocabulary.encode(trained.separator))
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
    if windows:
        model = Figure(f"the model, windows of {windows:,}", scorer.mean_of_windows(passage, windows, track))
    else:
        model = Figure("the model", scorer.mean(passage, track))
    comparison = compare(model, text, vocabulary, track)
    with TextWriter() as writer:
        if as_json:
            writer.write(tables.scores_json(comparison, trained, passage, path, windows))
        else:
            writer.write(tables.scores_table(comparison, stdout_width(), tables.describe_unseen(passage)))


def _learned(trained: "Checkpoint", *, quiet: bool) -> "tuple[NDArray[np.integer] | None, NDArray[np.intp] | None]":
    """Return the training text and where its items begin; if it is missing, None for both and a line about it."""
    from charrnn.report.progress import TextProgress
    from charrnn.report.terminal import say
    from charrnn.training.data import joined_starts, learned, running

    try:
        with TextProgress(is_quiet=quiet) as watcher:
            part = learned(trained, watcher)
    except TextError as error:
        say(f"methods that learn are left out: {error}")
        return None, None
    return running(part), joined_starts(part)


_VIEW = """\
Write a page that shows what the cells look at while the model reads TEXT.

The page is one file for any browser. It shows the text coloured by a cell's activation, by surprise or by how open a
gate is, cells ranked by simple things they track, and what the model expected at each character. The first argument is
the CHECKPOINT if it ends in .npz or is a name in `charrnn list`. The default is the newest one in ./checkpoints, or the
model that comes with the program. TEXT is files, - for stdin, or the name of a bundled text; without it the page shows
the part of the model's own text that it was not trained on. A model trained on items (with --by-line, for example)
reads each item separately.
"""


@click.command(cls=Command, epilog="Example: charrnn view book.txt -o book.html", help=_VIEW)
@click.argument("words", metavar="[CHECKPOINT] [TEXT]...", nargs=-1, type=TextName(or_checkpoint=True))
@options.output("view.html", "Output file (overwritten).")
@click.option(
    "-n",
    "--length",
    default=10_000,
    show_default=True,
    type=options.WholeNumber(min=1),
    help="Characters of the text to show, at most 50,000.",
)
@_encoding
@options.quiet
def view(words: tuple[str, ...], output: Path, length: int, encoding: str, quiet: bool) -> None:
    """Write a page that shows what the cells look at while the model reads TEXT."""
    from charrnn.checkpoint import load
    from charrnn.report.pages import check_suffix, choose_passage, shorten, view_page, write_file
    from charrnn.report.progress import TextProgress
    from charrnn.report.samples import describe_model
    from charrnn.report.terminal import say

    check_suffix(output, (".html", ".htm"))
    path, texts = _chosen(words)
    trained = load(path)
    with TextProgress(is_quiet=quiet) as watcher:
        passage = choose_passage(trained, path, texts, encoding, watcher)
    passage, note = shorten(passage, trained, length)
    for line in () if quiet else filter(None, (describe_model(trained, path), *passage.notes, note)):
        say(line)
    size = write_file(output, view_page(trained, passage, path.stem).encode())
    if not quiet:
        say(f"wrote {shown(str(output))} ({size / 1e6:,.1f} MB): open it in a browser")


_EXPORT = """\
Write a model as a file that works without this program.

The extension of the output file sets the format. An .html page contains the whole model and generates text in any
browser; with the same random seed it writes what `charrnn sample` writes. A .safetensors file has tensors in
PyTorch's names and layout, an .onnx file a graph for onnxruntime and others, and a .json file lists that any language
can read.

CHECKPOINT is by default the newest in ./checkpoints, or else the model that comes with the program.
"""


@click.command(cls=Command, epilog="Example: charrnn export checkpoints/book-best.npz -o book.onnx", help=_EXPORT)
@_checkpoint
@options.output("model.html", "Output file (overwritten); its extension sets the format.")
@options.quiet
def export(checkpoint: Path | None, output: Path, quiet: bool) -> None:
    """Write a model as a file that works without this program."""
    from charrnn.checkpoint import load
    from charrnn.report.pages import FORMATS, check_suffix
    from charrnn.report.pages import export as write_model
    from charrnn.report.samples import describe_model
    from charrnn.report.terminal import say

    check_suffix(output, tuple(FORMATS))
    path = checkpoint or newest() or PRETRAINED
    trained = load(path)
    if not quiet:
        say(describe_model(trained, path))
    size = write_model(trained, output, path.stem)
    if not quiet:
        say(f"wrote {shown(str(output))} ({size / 1e6:,.1f} MB): {FORMATS[output.suffix.lower()].use}")


_PLOT = """\
Draw the curves of one run, or of several.

They are the loss, the learning rate and the gradient norm at each step. A run is a checkpoint with its log next to
it, or a log; by default the newest in ./checkpoints, or else the model that comes with the program.

Lines show the training loss, averaged over about the last 25,000 characters; letters mark the loss on the held-out
part. Without --output, the drawing goes to stdout and is as wide as the terminal.
"""


@click.command(
    cls=Command, epilog="Example: charrnn plot checkpoints/book.npz checkpoints/book-2.npz -o loss.svg", help=_PLOT
)
@click.argument("runs", metavar="[CHECKPOINT|LOG]...", nargs=-1, type=CheckpointPath())
@click.option(
    "-o", "--output", metavar="FILE", type=FilePath(), help="Write an SVG picture instead; FILE ends in .svg."
)
@options.quiet
def plot(runs: tuple[Path, ...], output: Path | None, quiet: bool) -> None:
    """Draw the curves of one run, or of several."""
    from charrnn.report.pages import check_suffix, write_file
    from charrnn.report.plot import Drawing, read_runs
    from charrnn.report.svg import as_svg
    from charrnn.report.terminal import say

    if output:
        check_suffix(output, (".svg",))
    paths = runs or (newest() or PRETRAINED,)
    curves = read_runs(paths)
    for run, path in zip(curves, paths, strict=True):
        if not (quiet or run.training):
            say(f"{shown(str(path))} has no log of its steps: only its evaluations can be drawn")
    if not output:
        click.echo("\n".join(Drawing(sys.stdout).whole(curves)))
        return
    size = write_file(output, as_svg(curves))
    if not quiet:
        say(f"wrote {shown(str(output))} ({size / 1e3:,.0f} kB)")


_GRADCHECK = """\
Compare every gradient with numeric ones and with plain equations.

Without CHECKPOINT, checks small networks of every kind, entry by entry, and wide ones on longer sequences. With
CHECKPOINT, checks that model on a slice of text: some entries of each array, and all at once on a longer slice. Exits
with 1 if any gradient is wrong.
"""


@click.command(cls=Command, epilog="Example: charrnn gradcheck && echo every gradient is right", help=_GRADCHECK)
@_checkpoint
@click.option(
    "--text",
    type=TextName(),
    metavar="TEXT",
    help="With CHECKPOINT: text to check on.  [default: the text it was trained on]",
)
@click.option(
    "--rng-seed", default=0, show_default=True, type=options.count, help="Random seed of the weights and states."
)
@options.json
@options.quiet
def gradcheck(checkpoint: Path | None, text: str | None, rng_seed: int, as_json: bool, quiet: bool) -> None:
    """Compare every gradient with numeric ones and with plain equations."""
    import numpy as np

    from charrnn.cache import load_corpus
    from charrnn.checkpoint import load
    from charrnn.gradcheck import check_checkpoint, check_small_models
    from charrnn.report.tables import gradients_json, gradients_table, gradients_verdict
    from charrnn.report.terminal import stdout_width
    from charrnn.text.corpus import Decoding
    from charrnn.training.data import training_part

    rng = np.random.default_rng(rng_seed)
    if checkpoint:
        trained = load(checkpoint)
        try:
            reading = {"vocabulary": trained.vocabulary, **trained.reading}
            ids = training_part(trained) if text is None else load_corpus([text], Decoding(**reading)).ids
        except TextError as error:
            raise TextError(f"{error.reason}; name a text of the model's characters with --text") from error
        rows = list(check_checkpoint(trained.model, trained.params, ids, rng))
    elif text is not None:
        raise ConfigError("--text goes with a CHECKPOINT; without one, random characters are read")
    else:
        rows = list(check_small_models(rng))
    if as_json:
        click.echo(gradients_json(rows), nl=False)
    elif not quiet:
        click.echo(gradients_table(rows, stdout_width()), nl=False)
    if not all(row.passed for row in rows):
        raise WrongGradientError(gradients_verdict(rows))


_CACHE = """\
List cached texts.

A text of more than 32 MB is encoded once and kept in a folder for later runs. The last line names the folder;
CHARRNN_CACHE sets another. With TEXT, list only that text.
"""


@click.command(cls=Command, epilog="Example: charrnn cache --clear wiki.txt", help=_CACHE)
@click.argument("texts", metavar="[TEXT]...", nargs=-1, type=TextName())
@click.option("--clear", is_flag=True, help="Remove them. A text is encoded again when it is next used.")
@options.json
def cache(texts: tuple[str, ...], clear: bool, as_json: bool) -> None:
    """List or clear cached texts."""
    from charrnn.cache import cache_folder, entries, named, remove
    from charrnn.report import tables

    kept = named(entries(), texts) if texts else entries()
    if clear:
        remove(kept)
    if as_json:
        click.echo(tables.cache_json(kept), nl=False)
    else:
        click.echo(tables.cache_table(kept, cache_folder(), were_removed=clear), nl=False)

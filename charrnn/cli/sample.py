"""``charrnn sample``."""

import secrets
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from charrnn.cli import options
from charrnn.cli.completion import CheckpointPath, FilePath, TextName
from charrnn.cli.help import Command
from charrnn.commands import command
from charrnn.config import SampleConfig
from charrnn.errors import CheckpointError, ConfigError, TextError, UnreadableTextError, shown
from charrnn.paths import PRETRAINED, newest

if TYPE_CHECKING:
    from charrnn.checkpoint import Checkpoint
    from charrnn.report.samples import Display, Look
    from charrnn.sampling.writing import Writer
    from charrnn.training.data import Part

_SECTIONS = options.sections(
    SampleConfig,
    {
        "Model": ("model",),
        "Seed text": ("seed_text", "seed_file", "encoding", "unknown", "interactive"),
        "Sampling": ("temperatures", "top_k", "top_p", "min_p", "allow", "ban", "novel", "match", "tries", "rng_seed"),
        "Length": (),
        "Output": ("output", "num", "no_echo", "as_json", "raw", "report", "quiet"),
    },
)
_HELP = """\
Write text with a trained model.

CHECKPOINT is a file or a name in `charrnn list`; the default is the newest in ./checkpoints, or else the model that
comes with the program. The seed text and what follows it go to stdout, each character as soon as it is drawn; stderr
names the model. A model trained on items (with --by-line, for example) writes one, or K with --num, and marks those
that are in its training text.

In --seed, --stop, --allow and --ban, \\n is a line end and \\t a tab, unless the model knows the backslash.
"""


@click.command(
    cls=Command,
    sections=_SECTIONS,
    epilog='Example: charrnn sample --seed "The light" -n 400 --temperature 0.5',
    help=_HELP,
)
@click.argument("checkpoint", required=False, metavar="[CHECKPOINT]", type=CheckpointPath())
@click.option("-m", "--model", metavar="CHECKPOINT", type=CheckpointPath(), help="Another way to give CHECKPOINT.")
@click.option(
    "--seed",
    "--prompt",
    "seed_text",
    metavar="TEXT",
    help="Text to continue; \\n is a line end.  [default: a line start]",
)
@click.option("--seed-file", metavar="FILE", type=TextName(), help="Read the seed text from a file; - for stdin.")
@click.option("--encoding", default="utf-8", show_default=True, help="Encoding of the seed file.")
@click.option("-i", "--interactive", is_flag=True, help="Take turns with the model, line by line.")
@options.settings(SampleConfig)
@click.option("--rng-seed", metavar="SEED", type=options.count, help="Random seed.  [default: a new one each time]")
@click.option(
    "-o", "--output", metavar="FILE", type=FilePath(), help="Write to a file (overwritten) instead of stdout."
)
@click.option("--no-echo", is_flag=True, help="Do not print the seed text.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object for each text, with log-probabilities.")
@click.option("--raw", is_flag=True, help="Send control characters to the terminal, which may obey them.")
@click.option(
    "--report", is_flag=True, help="Report on stderr how much of the sample is copied from the training text."
)
@options.quiet
def sample(
    checkpoint: Path | None,
    model: Path | None,
    seed_text: str | None,
    seed_file: str | None,
    encoding: str,
    interactive: bool,
    rng_seed: int | None,
    output: Path | None,
    raw: bool,
    no_echo: bool,
    as_json: bool,
    report: bool,
    quiet: bool,
    **asked: Any,
) -> None:
    """Write text with a trained model."""
    from charrnn.report.samples import Look, describe_fitting, display_for, introduce
    from charrnn.report.terminal import TextWriter, say
    from charrnn.sampling.writing import Writer, read_seed

    if checkpoint and model:
        raise ConfigError("CHECKPOINT and --model both name a model: give one of them")
    if interactive and not asked["unknown"]:
        asked["unknown"] = "nearest"
    config = SampleConfig(**{name: value for name, value in asked.items() if value is not None})
    _check_turns(config, interactive=interactive, others=as_json or seed_file == "-" or output is not None)
    rng_seed = secrets.randbits(32) if rng_seed is None else rng_seed
    path, trained = _load(model or checkpoint)
    writer = Writer(trained, config, rng_seed, _training_text(trained) if config.novel else None)
    text, notes = read_seed(
        seed_text, seed_file, trained.vocabulary, encoding=encoding, of_item=bool(trained.separator)
    )
    seed = writer.fit(text)
    for line in () if quiet else (introduce(trained, path, rng_seed), *notes, *describe_fitting(seed)):
        say(line)
    json_of, keep = path if as_json else None, report or config.is_several
    look = Look(interactive, json_of, not no_echo, quiet, keep, _training_items)
    with output.open("wb") if output else nullcontext() as file:
        writes_to = TextWriter(raw=raw, file=file)
        samples = [] if config.match else writer.samples
        display, labels = display_for(trained, samples, seed.text, writes_to, look)
        try:
            _write(writer, display, seed.text, look, is_search=bool(config.match))
            if labels and not quiet:
                say(labels.summary(display, seed.text, writer.drawn))
        finally:
            if report:
                _report(trained, display)
    if output and not quiet:
        say(f"wrote {shown(str(output))}")


def _write(writer: "Writer", display: "Display", seed: str, look: "Look", *, is_search: bool) -> None:
    """Write what was asked for, and show it."""
    has_log_probs = look.json_of is not None
    if look.by_turns:
        from charrnn.cli.interactive import converse

        turns, pieces = writer.turns(), display.pieces[0]
        converse(turns, seed, writer.fit, display.writer, pieces, echo=look.echo, quiet=look.is_quiet)
    elif is_search:
        with display:
            for own, item in writer.search(seed, with_log_probs=has_log_probs):
                display.add(own, item)
    else:
        display.follow(writer.write(seed, with_log_probs=has_log_probs))


def _check_turns(config: SampleConfig, *, interactive: bool, others: bool) -> None:
    """Raise an error for what does not go with ``--interactive``; `others` is whether other options do not."""
    if not interactive:
        return
    if others or config.is_several or config.match:
        raise ConfigError(
            "--interactive writes one text: it cannot be combined with --json, several texts, --match, --output or "
            "--seed-file -"
        )
    if sys.stdin is None:
        raise UnreadableTextError("stdin is closed: --interactive reads your lines from it")


def _report(trained: "Checkpoint", display: "Display") -> None:
    """Say how much of each text is copied."""
    from charrnn.report.tables import describe_copying
    from charrnn.report.terminal import say

    for pieces in display.pieces:
        say(describe_copying(trained, trained.vocabulary.encode("".join(pieces)).tolist()))


def _training_text(trained: "Checkpoint") -> "Part":
    """Return what the model was trained on, for ``--novel``."""
    from charrnn.training.data import learned

    try:
        return learned(trained)
    except TextError as error:
        raise ConfigError("cannot use {}: {reason}", "novel", reason=error.reason) from error


def _training_items(trained: "Checkpoint") -> object:
    from charrnn.training.data import learned  # only the labels of items need it

    return learned(trained)


def _load(checkpoint: Path | None) -> "tuple[Path, Checkpoint]":
    """Return the checkpoint to use and where it is; an error says what to do if its name was meant as a seed text."""
    from charrnn.checkpoint import load

    path = checkpoint or newest() or PRETRAINED
    try:
        return path, load(path)
    except CheckpointError as error:
        if path.suffix != ".npz" and not path.exists():
            error.add_note(f"to continue that text: {command('sample', options=['--seed', str(path)])}")
        raise

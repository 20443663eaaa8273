"""``charrnn sample``."""

import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from charrnn.cli import options
from charrnn.cli.completion import CheckpointPath, TextName
from charrnn.cli.help import Command
from charrnn.commands import command
from charrnn.config import SampleConfig
from charrnn.errors import CheckpointError, ConfigError, UnreadableTextError
from charrnn.paths import PRETRAINED, newest

if TYPE_CHECKING:
    from charrnn.checkpoint import Checkpoint

_SECTIONS = options.sections(
    SampleConfig,
    {
        "Seed text": ("seed_text", "seed_file", "encoding", "unknown", "interactive"),
        "Sampling": ("temperatures", "top_k", "top_p", "min_p", "allow", "ban", "rng_seed"),
        "Length": (),
        "Output": ("num", "no_echo", "as_json", "raw", "report", "quiet"),
    },
)
_HELP = """\
Write text with a trained model.

CHECKPOINT defaults to the newest one in ./checkpoints, or to the model that comes with the program. The seed text and
what follows it go to stdout, each character as soon as it is drawn; stderr names the model. A model trained on items
(with --by-line, for example) writes one, or K with --num, and marks those that are in its training text.
"""


@click.command(
    cls=Command,
    sections=_SECTIONS,
    epilog='Example: charrnn sample --seed "The light" -n 400 --temperature 0.7',
    help=_HELP,
)
@click.argument("checkpoint", required=False, metavar="[CHECKPOINT]", type=CheckpointPath())
@click.option("--seed", "--prompt", "seed_text", metavar="TEXT", help="Text to continue.  [default: a line start]")
@click.option("--seed-file", metavar="FILE", type=TextName(), help="Read the seed text from a file; - for stdin.")
@click.option("--encoding", default="utf-8", show_default=True, help="Encoding of the seed file.")
@click.option("-i", "--interactive", is_flag=True, help="Take turns with the model, line by line.")
@options.settings(SampleConfig)
@click.option("--rng-seed", metavar="SEED", type=options.count, help="Random seed.  [default: a new one each time]")
@click.option("--no-echo", is_flag=True, help="Do not print the seed text.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object for each text, with log-probabilities.")
@click.option("--raw", is_flag=True, help="Send control characters to the terminal, which may obey them.")
@click.option(
    "--report", is_flag=True, help="Report on stderr how much of the sample is copied from the training text."
)
@options.quiet
def sample(
    checkpoint: Path | None,
    seed_text: str | None,
    seed_file: str | None,
    encoding: str,
    interactive: bool,
    rng_seed: int | None,
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

    if interactive and not asked["unknown"]:
        asked["unknown"] = "nearest"
    config = SampleConfig(**{name: value for name, value in asked.items() if value is not None})
    if interactive and (as_json or config.is_several or seed_file == "-"):
        raise ConfigError(
            "--interactive writes one text: it cannot be combined with --json, several texts or --seed-file -"
        )
    if interactive and sys.stdin is None:
        raise UnreadableTextError("stdin is closed: --interactive reads your lines from it")
    rng_seed = secrets.randbits(32) if rng_seed is None else rng_seed
    path, trained = _load(checkpoint)
    vocabulary, echo = trained.vocabulary, not no_echo
    writer = Writer(trained, config, rng_seed)
    text, notes = read_seed(seed_text, seed_file, vocabulary, encoding=encoding, of_item=bool(trained.separator))
    seed = writer.fit(text)
    for line in () if quiet else (introduce(trained, path, rng_seed), *notes, *describe_fitting(seed)):
        say(line)
    json_of, keep, output = path if as_json else None, report or config.is_several, TextWriter(raw=raw)
    look = Look(by_turns=interactive, json_of=json_of, echo=echo, is_quiet=quiet, keep=keep)
    display, labels = display_for(trained, writer.samples, seed.text, output, look)
    try:
        if interactive:
            from charrnn.cli.interactive import converse

            converse(writer.turns(), seed.text, writer.fit, output, display.pieces[0], echo=echo, quiet=quiet)
        else:
            display.follow(writer.write(seed.text, with_log_probs=as_json))
        if labels and not quiet:
            say(labels.summary(display, seed.text))
    finally:
        if report:
            from charrnn.report.tables import describe_copying

            for pieces in display.pieces:
                say(describe_copying(trained, vocabulary.encode("".join(pieces)).tolist()))


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

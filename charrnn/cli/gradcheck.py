"""``charrnn gradcheck``."""

from pathlib import Path

import click

from charrnn.cli import options
from charrnn.cli.completion import CheckpointPath, TextName
from charrnn.cli.help import Command
from charrnn.errors import ConfigError, TextError, WrongGradientError

_HELP = """\
Compare every gradient with numeric ones and with plain equations.

Without CHECKPOINT, checks small networks of every kind, entry by entry, and wide ones on longer sequences. With
CHECKPOINT, checks that model on a slice of text: some entries of each array, and all at once on a longer slice. Exits
with 1 if any gradient is wrong.
"""


@click.command(cls=Command, epilog="Example: charrnn gradcheck && echo every gradient is right", help=_HELP)
@click.argument("checkpoint", required=False, metavar="[CHECKPOINT]", type=CheckpointPath())
@click.option(
    "--text",
    type=TextName(),
    metavar="TEXT",
    help="With CHECKPOINT: text to check on.  [default: the text it was trained on]",
)
@click.option(
    "--rng-seed",
    default=0,
    show_default=True,
    type=options.count,
    help="Random seed of the weights and states.",
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
    from charrnn.training.data import training_part

    rng = np.random.default_rng(rng_seed)
    if checkpoint:
        trained = load(checkpoint)
        try:
            reading = {"vocabulary": trained.vocabulary, **trained.corpus.decoding}
            ids = training_part(trained) if text is None else load_corpus([text], **reading).ids
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

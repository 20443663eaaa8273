"""``charrnn sample``."""

import secrets
from itertools import islice
from pathlib import Path

import click

from charrnn.bundled import PRETRAINED
from charrnn.cli import options


@click.command(epilog='Example: charrnn sample --seed "The light" -n 400 --temperature 0.7')
@click.argument("checkpoint", required=False, metavar="[CHECKPOINT]", type=options.path)
@click.option("--seed", "--prompt", "seed_text", metavar="TEXT", help="Text to go on from.  [default: a line start]")
@click.option(
    "-n",
    "--length",
    default=500,
    show_default=True,
    type=options.count,
    help="Characters to write after the seed text.",
)
@click.option(
    "--temperature",
    default=1.0,
    show_default=True,
    help="Below 1 bolder, above 1 wilder; 0 always the likeliest.",
)
@click.option(
    "--top-k",
    default=0,
    type=options.count,
    help="Draw from the K likeliest characters only.  [default: all]",
)
@click.option("--top-p", default=1.0, help="Draw from the likeliest that together reach P.  [default: all]")
@click.option(
    "--rng-seed",
    type=options.count,
    help="Random seed, to write the same again.  [default: a new one each time]",
)
@click.option("--raw", is_flag=True, help="Send control characters to a terminal too, which may obey them.")
@click.option("--report", is_flag=True, help="Say on stderr how much of the sample is copied from the training text.")
@options.quiet
def sample(
    checkpoint: Path | None,
    seed_text: str | None,
    length: int,
    temperature: float,
    top_k: int,
    top_p: float,
    rng_seed: int | None,
    raw: bool,
    report: bool,
    quiet: bool,
) -> None:
    """Write text with a trained model.

    CHECKPOINT is by default the newest in ./checkpoints, or else the model that comes with the program. The seed text
    and what follows go to stdout, each character as it is drawn; stderr says which model wrote it.
    """
    import numpy as np

    from charrnn.checkpoint import load, newest
    from charrnn.report.models import introduce
    from charrnn.report.scores import describe_copying
    from charrnn.report.terminal import TextWriter, say
    from charrnn.sampling.filters import Filters
    from charrnn.sampling.sampler import encode_seed, line_start
    from charrnn.sampling.sampler import sample as characters
    from charrnn.text.normalizing import normalize

    filters = Filters(temperature, top_k, top_p)
    rng_seed = secrets.randbits(32) if rng_seed is None else rng_seed
    rng = np.random.default_rng(rng_seed)
    path = checkpoint or newest() or PRETRAINED
    trained = load(path)
    seed_text = normalize(seed_text or "", trained.corpus.normalize)
    seed = encode_seed(trained.vocabulary, seed_text or line_start(trained.vocabulary, rng))
    if not quiet:
        say(introduce(trained, path, rng_seed))
    written = []
    with TextWriter(raw=raw) as writer:
        writer.write(seed_text)
        for character in islice(characters(trained.model, trained.params, seed, rng, filters), length):
            writer.write(trained.vocabulary.characters[character])
            if report:
                written.append(character)
    if report:
        say(describe_copying(trained, written))

"""``charrnn gradcheck``."""

from pathlib import Path

import click

from charrnn.cli import options


@click.command(epilog="Example: charrnn gradcheck && echo every gradient is right")
@click.argument("checkpoint", required=False, metavar="[CHECKPOINT]", type=click.Path(path_type=Path))
@click.option("--text", help="With CHECKPOINT: text to check on.  [default: the one it was trained on]")
@click.option("--rng-seed", default=0, show_default=True, help="Random seed of the weights and states.")
@options.json
@options.quiet
def gradcheck(checkpoint: Path | None, text: str | None, rng_seed: int, as_json: bool, quiet: bool) -> None:
    """Compare every gradient with two independent differences.

    Without CHECKPOINT, small networks of every kind are checked, every entry of every array; with it, that model at
    its own sizes on a slice of text, some entries of each array. Exits with 1 if any gradient is wrong.
    """
    from charrnn.gradcheck import check_checkpoint, check_small_models
    from charrnn.report.gradients import as_table, to_json
    from charrnn.sampling.sampler import make_rng

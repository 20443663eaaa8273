"""``charrnn train``."""

import contextlib
import re
import sys
import time
from dataclasses import fields
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from charrnn.cli import options
from charrnn.cli.completion import CheckpointPath, FilePath, TextName
from charrnn.cli.help import Command
from charrnn.cli.options import read_into_context
from charrnn.cli.signals import Interruption, exit_code, stop_if_dropped
from charrnn.config import FORMS, LINE_END, RECIPES, RESUMABLE, TrainConfig
from charrnn.errors import ConfigError
from charrnn.paths import LOCAL_CHECKPOINTS

if TYPE_CHECKING:
    from charrnn.training.run import Caller, Run

# Options that only make sense for a new run.
_FRESH = ("recipe", "num_layers", "encoding", "errors", "normalize", "max_vocab", "overwrite", "init_from")
# Options that are not kept in the checkpoint with the command: where a run is saved and what is shown do not matter to
# the model, and what a resume may change stands in the settings. So equal runs are equal files.
_NOT_KEPT = frozenset(("checkpoint", "overwrite", "dry_run", "quiet", "as_json", "yardsticks", *RESUMABLE))

_SECTIONS = options.sections(
    TrainConfig,
    {
        "Model": ("cell", "hidden_sizes", "num_layers"),
        "Text": ("encoding", "errors", "normalize", "max_vocab", "by_line"),
        "Optimization": (),
        "How long": (),
        "Along the way": (),
        "Files": ("checkpoint", "overwrite", "resume", "allow_new_text", "init_from", "recipe", "config"),
    },
)
_HELP = """\
Train a model on TEXT: files and folders, - for stdin, or the name of a bundled text.

Files may be books (.epub), web pages (.html), Word documents (.docx), compressed (.gz, .xz, .bz2) or zipped. The
default TEXT is The Harbour Clerk, a novella that comes with the program, or with --by-line 1,200 names of villages.
Progress goes to stderr. Ctrl-C finishes the step, saves and stops.
"""


def _list_recipes(ctx: click.Context, param: click.Parameter, recipe: str | None) -> str | None:  # noqa: ARG001
    """Print the recipes and exit if their list is asked for: the callback of ``--recipe``."""
    if recipe == "list" and not ctx.resilient_parsing:
        from charrnn.report.tables import recipes_table
        from charrnn.report.terminal import stdout_width

        click.echo(recipes_table(stdout_width()), nl=False)
        ctx.exit()
    return recipe


@click.command(
    cls=Command,
    sections=_SECTIONS,
    epilog="Example: charrnn train book.txt --hidden-size 256 --minutes 3",
    help=_HELP,
)
@click.argument("texts", metavar="[TEXT]...", nargs=-1, type=TextName())
@click.option(
    "--config",
    metavar="FILE",
    type=FilePath(),
    is_eager=True,
    expose_value=False,
    callback=read_into_context,
    help="Read options from a TOML file; the command line and the environment override it.",
)
@click.option(
    "--recipe",
    metavar="NAME",
    type=click.Choice([*RECIPES, "list"]),
    callback=_list_recipes,
    help=f"Take the defaults from a recipe: {', '.join(RECIPES)}. list shows what each achieves.  "
    "[default: default; items with --by-line]",
)
@options.settings(TrainConfig)
@click.option(
    "--by-line",
    is_flag=True,
    help="Train on separate lines, such as names or words. Same as --separator with a line end.",
)
@click.option("--num-layers", type=options.WholeNumber(min=1), help="Layers, all of one --hidden-size.  [default: 1]")
@click.option("--encoding", help="Encoding of the text.  [default: utf-8]")
@options.errors
@click.option(
    "--normalize",
    type=click.Choice(FORMS),
    help="Combine letters and their accents (NFC), in the text and in all that the model will read.  "
    "[default: none, or with --init-from that model's]",
)
@click.option(
    "--max-vocab",
    metavar="N",
    type=options.WholeNumber(min=1),
    help="Keep the N most frequent characters (and the separator's); replace the others by one unknown symbol.  "
    "[default: all]",
)
@click.option(
    "--checkpoint",
    metavar="FILE",
    type=CheckpointPath(for_resume=True),
    help="Where to save (a .npz file), or with --resume what to resume.  "
    "[default: checkpoints/NAME.npz, named after the text]",
)
@click.option("--overwrite", is_flag=True, help="Replace an existing --checkpoint.")
@click.option("--resume", is_flag=True, help="Resume from --checkpoint, or from the newest in ./checkpoints.")
@click.option("--allow-new-text", is_flag=True, help="With --resume: continue on a different TEXT.")
@click.option(
    "--dry-run",
    is_flag=True,
    help="Train nothing and write nothing; print what would be done, how long it would take and how much memory.",
)
@click.option(
    "--yardsticks",
    is_flag=True,
    help="After the run, show what simpler methods achieve on the held-out part.",
)
@click.option(
    "--init-from",
    metavar="FILE",
    type=CheckpointPath(),
    help="Start from the weights of this checkpoint; the text may have other characters.",
)
@click.option("--json", "as_json", is_flag=True, help="Print events as JSON lines, as in the log next to --checkpoint.")
@options.quiet
def train(
    texts: tuple[str, ...],
    checkpoint: Path | None,
    resume: bool,
    allow_new_text: bool,
    dry_run: bool,
    yardsticks: bool,
    as_json: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Train a model on TEXT."""
    began = time.monotonic()  # before NumPy is loaded: --minutes counts that too
    from charrnn.commands import command_line
    from charrnn.report.progress import TextProgress
    from charrnn.report.tables import scores_table, yardsticks_json
    from charrnn.report.terminal import stdout_width
    from charrnn.training.run import Caller, compare_held_out
    from charrnn.training.trainer import ALONE

    if dry_run and as_json:
        raise ConfigError("{} prints lines for people: it does not go with --json", "dry_run")
    made = [folder for folder in (checkpoint or LOCAL_CHECKPOINTS / "any").parents if not folder.exists()]
    team = click.get_current_context().obj or ALONE  # under mpirun, all ranks
    with TextProgress(is_quiet=quiet) as watcher:
        caller = Caller(team, watcher, began, command_line(["charrnn", *_that_matter(sys.argv[1:])]))
        run = _run(texts, checkpoint, given, caller, resume=resume, allow_new_text=allow_new_text)
    if dry_run:
        _show_plan(run, made)
        return
    if yardsticks and not run.evaluator:
        raise ConfigError("--yardsticks needs a held-out part to compare on; give a larger --val-fraction")
    _follow(run, as_json=as_json, quiet=quiet)
    if yardsticks and run.evaluator:
        comparison = compare_held_out(run, run.evaluator, TextProgress(is_quiet=quiet).track)
        step = run.trainer.step
        click.echo(yardsticks_json(comparison, step) if as_json else scores_table(comparison, stdout_width()), nl=False)


def _run(
    texts: tuple[str, ...],
    checkpoint: Path | None,
    given: dict[str, Any],
    caller: "Caller",
    *,
    resume: bool,
    allow_new_text: bool,
) -> "Run":
    """Return the run that the options ask for."""
    from charrnn.training import start
    from charrnn.training.data import Reading

    if given.pop("by_line"):
        if given["separator"] not in (None, LINE_END):
            raise ConfigError("{} and {} both divide the text into items; give one", "by_line", "separator")
        given["separator"] = LINE_END
    elif given["separator"]:
        given["separator"] = _unescaped(given["separator"])
    fresh = {name: value for name in _FRESH if (value := given.pop(name))}
    settings = {name: value for name, value in given.items() if value is not None}
    if resume and fresh:
        raise ConfigError("{} does not go with {}", min(fresh), "resume")
    if resume:
        return start.resume(checkpoint, texts, allow_new_text=allow_new_text, caller=caller, **settings)
    if allow_new_text:
        raise ConfigError("{} goes with {}", "allow_new_text", "resume")
    reading = Reading(**{field.name: fresh.pop(field.name) for field in fields(Reading) if field.name in fresh})
    return start.train(texts, checkpoint=checkpoint or True, reading=reading, caller=caller, **fresh, **settings)


def _unescaped(separator: str) -> str:
    r"""Return a separator with ``\n`` as a line end and ``\t`` as a tab, unless a letter follows: ``\newpage``."""
    return re.sub(r"\\([nt])(?![^\W\d_])", lambda found: {"n": "\n", "t": "\t"}[found[1]], separator)


def _show_plan(run: "Run", made: list[Path]) -> None:
    """Print what a run would do, and remove the folders that were `made` for it."""
    from charrnn.report.progress import plan
    from charrnn.report.terminal import say, visible

    for note in (*run.notes, *run.warnings):
        say(note)
    try:
        for line in plan(run):
            click.echo(visible(line))
    finally:
        run.close()
        with contextlib.suppress(OSError):  # another run may save there by now
            for folder in made:
                folder.rmdir()


def _follow(run: "Run", *, as_json: bool, quiet: bool) -> None:
    """Train, and show and log what happens; exit if a signal asks for it."""
    from charrnn.commands import command_line
    from charrnn.report.progress import ProgressDisplay
    from charrnn.report.terminal import say
    from charrnn.training.log import RunLog

    stop_if_dropped()
    context, interruption = click.get_current_context(), Interruption()
    typed = command_line(["charrnn", *sys.argv[1:]])
    echo = FileIO(sys.stdout.fileno(), "w", closefd=False) if as_json else None
    run.trainer.heed(interruption.is_requested)  # also while the speed is measured
    try:
        with (
            interruption,
            ProgressDisplay(run, is_quiet=quiet) as progress,
            RunLog(run.beginning(), typed, progress.warn, echo) as log,
        ):
            for event in run.events(interruption.is_requested):
                log.record(event)
                progress.show(event)
    except KeyboardInterrupt:  # a second signal
        say(f"stopped at once; {run.path} is as it was last saved")
        context.exit(exit_code())
    if interruption.is_requested():
        context.exit(interruption.exit_code)


def _that_matter(words: list[str]) -> list[str]:
    """Leave the options of `_NOT_KEPT` out of a command line."""
    takes_value = {
        spelling: not getattr(param, "is_flag", False)
        for param in train.params
        if param.name in _NOT_KEPT
        for spelling in param.opts
    }
    end = words.index("--") if "--" in words else len(words)
    kept, is_value = [], False
    for word in words[:end]:
        option, has_value, _ = word.partition("=")
        if is_value:
            is_value = False
        elif option in takes_value:
            is_value = takes_value[option] and not has_value
        else:
            kept.append(word)
    return [*kept, *words[end:]]

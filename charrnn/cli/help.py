"""Help pages: options in sections, bold headings, lines that fit the terminal; and commands imported when used."""

import difflib
import os
import re
import shutil
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import click
from click.core import ParameterSource

from charrnn.commands import command_line
from charrnn.config import flag
from charrnn.errors import CharRNNError, shown
from charrnn.report.terminal import BOLD, styled

_OTHERS = "Other options"
# What char-rnn, torch-rnn, nanoGPT, Keras and similar programs call an option.
_ALSO_CALLED = {
    "learning-rate": "lr learn-rate rate eta alpha",
    "epochs": "epoch max-epochs num-epochs n-epochs nb-epoch num-train-epochs",
    "steps": "iters iterations max-iters max-steps num-steps n-steps updates",
    "minutes": "time max-time time-limit",
    "hidden-size": "rnn-size hidden hidden-dim hidden-units units n-embd n-hidden nhid size",
    "num-layers": "layers n-layer n-layers nlayers",
    "embedding-size": "wordvec-size embedding-dim embed-dim emsize embedding",
    "cell": "model model-type rnn-type cell-type rnn arch architecture",
    "batch-size": "batch bs minibatch-size",
    "seq-length": "block-size context seq-len sequence-length maxlen bptt time-steps length",
    "val-fraction": "val-frac validation-split val-split validation-fraction train-frac test-frac",
    "clip-norm": "grad-clip clip clipnorm max-grad-norm gradient-clip",
    "clip-value": "clipvalue",
    "decay-factor": "learning-rate-decay lr-decay lr-decay-factor gamma",
    "decay-every": "lr-decay-every learning-rate-decay-after",
    "schedule": "lr-schedule lr-scheduler scheduler lr-scheduler-type",
    "schedule-steps": "lr-decay-iters",
    "warmup-steps": "warmup warmup-iters",
    "accumulate": "gradient-accumulation-steps grad-accum",
    "dropout": "drop dropout-rate",
    "weight-drop": "recurrent-dropout wdrop",
    "optimizer": "optim opt solver",
    "patience": "early-stopping early-stop",
    "eval-every": "eval-interval eval-val-every validate-every val-every",
    "save-every": "checkpoint-every save-interval save-freq save-steps",
    "checkpoint": "checkpoint-dir checkpoint-name savefile save out-dir output-dir output out",
    "init-from": "load pretrained weights finetune",
    "resume": "continue restore",
    "by-line": "lines items per-line",
    "separator": "delimiter sep",
    "rng-seed": "seed random-seed random-state manual-seed",
    "threads": "num-threads workers num-workers jobs cores cpus",
    "model": "checkpoint load init-from weights",
    "seed": "primetext prime start start-text start-string prefix context",
    "temperature": "temp diversity sample",
    "num": "num-samples n-samples samples count",
    "length": "max-new-tokens max-tokens max-length num-chars chars",
    "stop": "stop-text until eos",
    "match": "filter regex pattern grep",
    "output": "out outfile out-file output-file",
}
_NO_OPTION = {
    "the text needs no option: charrnn train TEXT": "text input input-txt input-json data data-dir dataset file",
    "charrnn runs on the CPU": "gpu gpuid gpu-backend opencl cuda device use-gpu",
}
_TYPING_ERROR = 0.9  # of `difflib`'s ratio: a letter or two in a long name
_LEAST_TEXT = 30  # columns of a description next to its option; if there are fewer, it goes below
_WIDTHS = (30, 80)  # columns of a help page, least and most


class Formatter(click.HelpFormatter):
    """Click's formatter, for terminals of any width, with bold headings."""

    def __init__(self, indent_increment: int = 2, width: int | None = None, max_width: int | None = None) -> None:
        least, most = _WIDTHS
        width = width or max(least, min(shutil.get_terminal_size().columns, max_width or most) - 2)
        super().__init__(indent_increment, width, max_width)

    def write_heading(self, heading: str) -> None:
        """Write a section's heading."""
        self.write(f"{'':>{self.current_indent}}{styled(f'{heading}:', BOLD, sys.stdout)}\n")

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Write terms and their explanations, below one another if the terminal is narrow."""
        rows = list(rows)
        widest = max(len(first) for first, _ in rows)
        is_narrow = self.width - min(widest, col_max) - col_spacing < _LEAST_TEXT
        super().write_dl(rows, 4 if is_narrow else col_max, col_spacing)


class Context(click.Context):
    """Click's context, with this program's help pages."""

    formatter_class = Formatter


class Command(click.Command):
    """A command whose help shows its options in sections.

    Parameters
    ----------
    sections : names of the parameters under each heading; those in no section come last
    """

    context_class = Context

    def __init__(self, *args: Any, sections: Mapping[str, Sequence[str]] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sections = sections or {}

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the options."""
        typed = list(args)
        try:
            with _naming_sources(ctx):
                return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            # torch-rnn's options have a single dash, which Click takes for several of one letter
            word = next((word for word in typed if word.startswith(error.option_name)), error.option_name)
            name = word.partition("=")[0]
            spellings = [spelling for param in self.params for spelling in param.opts]
            known = {spelling[2:] for spelling in spellings if spelling.startswith("--")}
            meant = " or ".join(f"'--{option}'" for option in suggest(name.lstrip("-"), known))
            better = click.UsageError(f"No such option {name!r}.{meant and f' Did you mean {meant}?'}", ctx)
            if os.path.lexists(word):
                better.add_note(f"to name the file {shown(word)}, write {command_line([f'./{word}'])}")
            for sentence, names in _NO_OPTION.items():
                if _plain(name.lstrip("-")) in names.split():
                    better.add_note(sentence)
            raise better from error

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with _naming_sources(ctx):
            return super().invoke(ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, section by section."""
        params = {param.name: param for param in self.get_params(ctx) if isinstance(param, click.Option)}
        pages = {title: [params.pop(name) for name in names] for title, names in self.sections.items()}
        pages[_OTHERS if pages else "Options"] = list(params.values())
        for title, page in pages.items():
            rows = [record for param in page if (record := param.get_help_record(ctx))]
            with formatter.section(title):
                formatter.write_dl(rows)


@contextmanager
def _naming_sources(ctx: click.Context) -> Iterator[None]:
    """Note in an error whether the environment or ``--config`` set the options that it names."""
    try:
        yield
    except (click.BadParameter, CharRNNError) as error:
        message = error.format_message() if isinstance(error, click.BadParameter) else error.worded(flag)
        for param in ctx.command.params:
            spelling, source = max(param.opts, key=len), ctx.get_parameter_source(param.name or "")
            if not re.search(rf"(?<![\w-]){spelling}(?![\w-])", message):
                continue
            if source is ParameterSource.ENVIRONMENT:
                error.add_note(f"{_variable(ctx.command.name or '', spelling)} is set")
            elif source is ParameterSource.DEFAULT_MAP:
                error.add_note(f"--config sets {spelling}")
        raise


def suggest(name: str, known: Collection[str]) -> list[str]:
    """Return the options that may be meant by a name, all without dashes: by what they do, or after a typing error."""
    plain = _plain(name)
    meant = [option for option, names in _ALSO_CALLED.items() if option in known and plain in names.split()]
    return [plain] if plain in known else meant or difflib.get_close_matches(plain, known, 1, _TYPING_ERROR)


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")


class LazyCommands(Mapping[str, click.Command]):
    """Commands by name, in the order of the help; the module of each is imported when the command is asked for."""

    def __init__(self, commands: Mapping[str, tuple[str, str]]) -> None:
        self._commands = commands

    def __getitem__(self, name: str) -> click.Command:
        where, short_help = self._commands[name]
        module, _, attribute = where.partition(".")
        command: click.Command = getattr(import_module(f"charrnn.cli.{module}"), attribute or name)
        command.short_help = short_help
        for param in command.params:
            if isinstance(param, click.Option):  # it can also be given in the environment, in each long spelling
                param.envvar = [_variable(name, spelling) for spelling in param.opts if spelling.startswith("--")]
        return command

    def __iter__(self) -> Iterator[str]:
        return iter(self._commands)

    def __len__(self) -> int:
        return len(self._commands)


class Group(click.Group):
    """A group of commands that are imported when they are used.

    Parameters
    ----------
    commands : for each command, its module in `charrnn.cli`, with a dot and its name there if that is another, and its
        line in the list of commands
    """

    context_class = Context

    def __init__(self, *args: Any, commands: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.commands = LazyCommands(commands)  # type: ignore[assignment]
        self._short_helps = [(name, text) for name, (_, text) in commands.items()]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments; without any, show the help."""
        return super().parse_args(ctx, args or ["--help"])

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - Click's
        """List the commands, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(self._short_helps)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the signature is Click's
        """Return the commands' names in the order of the help."""
        return list(self.commands)


def _variable(command: str, spelling: str) -> str:
    return f"CHARRNN_{command}_{spelling.removeprefix('--')}".replace("-", "_").upper()


class CommandName(click.ParamType[str]):
    """The name of a command."""

    name = "command"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:  # noqa: ARG002
        """Offer the matching names."""
        from click.shell_completion import CompletionItem

        names = ctx.parent.command.list_commands(ctx.parent) if ctx.parent else []  # type: ignore[attr-defined]
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]


@click.command(
    "help", cls=Command, epilog="Example: charrnn help sample", help="Show the help of a command, or of all of them."
)
@click.argument("command", required=False, metavar="[COMMAND]", type=CommandName())
@click.pass_context
def help_command(ctx: click.Context, command: str | None) -> None:
    """Show the help of a command."""
    context = ctx.find_root()
    if command and isinstance(context.command, click.Group):
        _, shown_command, _ = context.command.resolve_command(context, [command])
        context = Context(shown_command, info_name=command, parent=context)  # type: ignore[arg-type]
    click.echo(context.get_help())

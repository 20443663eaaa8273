"""Completion of the command line in bash, zsh and fish.

First come the types of arguments that offer names of checkpoints and texts, then the scripts for the three shells, and
what answers them. Click's own scripts insert a file name unquoted: ``my book.txt`` would become two arguments, and a
``$(...)`` in a name would be run. Here a name is a kind of item of its own, which the shell quotes. The shell passes
the words before the cursor as arguments; an answer is a list of records (kind, value, help) that end in NUL, or for
fish a list of lines.
"""

import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import click
from click.shell_completion import CompletionItem, ShellComplete, add_completion_class

from charrnn.cli.help import Command
from charrnn.errors import shown
from charrnn.paths import CORPORA, find_model, models
from charrnn.report.terminal import say

Items = list[CompletionItem[str]]

_ENDS_OF_FOLDERS = tuple(filter(None, (os.sep, os.altsep)))


class FilePath(click.ParamType[Path]):
    """A file name. Whether the file can be used is checked when it is opened."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path; an empty name, such as that of an unset variable, and a folder's name are refused."""
        if not str(value):
            self.fail("the file name is empty.", param, ctx)
        if str(value).endswith(_ENDS_OF_FOLDERS):
            self.fail(f"{shown(str(value))} is the name of a folder; name a file.", param, ctx)
        return Path(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:  # noqa: ARG002
        """Let the shell complete files."""
        return _offer((), incomplete)


class CheckpointPath(FilePath):
    """A checkpoint, by its file or its short name; the names of the models here are offered.

    With `for_resume` a short name means a run's last state, otherwise its best model if there is one.
    """

    def __init__(self, *, for_resume: bool = False) -> None:
        self._for_resume = for_resume

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path of the file."""
        return find_model(super().convert(value, param, ctx), for_resume=self._for_resume)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:  # noqa: ARG002
        """Offer the matching names."""
        return _offer(_models(), incomplete)


class TextName(click.ParamType[str]):
    """A text, or also a checkpoint; files here, files in ./corpora and the bundled texts are offered."""

    name = "text"

    def __init__(self, *, or_checkpoint: bool = False) -> None:
        self._or_checkpoint = or_checkpoint

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ARG002
        """Return the name."""
        return str(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:  # noqa: ARG002
        """Offer the matching texts."""
        from charrnn.text.sources import LOCAL_CORPORA

        texts = [
            _typed(path if folder == LOCAL_CORPORA and _is_special(path.name) else Path(path.name))
            for folder in (Path(), LOCAL_CORPORA, CORPORA)
            for path in _files(folder)
            if path.suffix != ".npz" and not path.name.startswith(".") and path.name != "README.md"
        ]
        return _offer([*(_models() if self._or_checkpoint else ()), *texts], incomplete)


def _models() -> list[str]:
    """Return the short names of models; where a shell would read something else in it, the name of the file."""
    is_plain = re.compile(r"\w[\w.,+@%-]*", re.ASCII).fullmatch
    return [name if is_plain(name) else _typed(path) for name, path in models().items()]


def _typed(path: Path) -> str:
    """Return a path in a form that is not read as an option or a home folder."""
    return f"./{path}" if _is_special(str(path)) else str(path)


def _is_special(name: str) -> bool:
    return name.startswith(("-", "~"))


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_file())
    except OSError:
        return []


def _offer(names: Iterable[str], incomplete: str) -> Items:
    """Return the matching names; if there are none, let the shell complete a path."""
    items: Items = [CompletionItem(name, NAME) for name in dict.fromkeys(names) if name.startswith(incomplete)]
    return items or [CompletionItem(incomplete, type="file")]


NAME: Final = "name"  # kind of an item that the shell quotes as a file name

_BASH = """\
%(complete_func)s() {
    local kind value help program=$1
    [[ $program == '~/'* ]] && program=$HOME/${program:2}
    COMPREPLY=()
    while IFS= read -r -d '' kind && IFS= read -r -d '' value && IFS= read -r -d '' help; do
        case $kind in
            file) compopt -o bashdefault -o default ;;
            dir) compopt -o dirnames ;;
            name) compopt -o filenames; COMPREPLY+=("$value") ;;
            plain) COMPREPLY+=("$value") ;;
        esac
    done < <(%(complete_var)s=bash_complete "$program" "${COMP_LINE:0:COMP_POINT}" "$2" 2>/dev/null)
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""

_ZSH = """\
#compdef %(prog_name)s
%(complete_func)s() {
    local -a found described values
    local lead kind value help
    found=("${(@0)$(%(complete_var)s=zsh_complete ${(Q)~words[1]} "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" \
2>/dev/null)}")
    lead=$found[1]
    compset -p ${#lead}
    for kind value help in "${(@)found[2,-1]}"; do
        case $kind in
            file) _files ;;
            dir) _files -/ ;;
            *) if [[ -n $help ]]; then described+=("${value//:/\\\\:}:$help"); else values+=("$value"); fi ;;
        esac
    done
    (( $#described )) && _describe -V unsorted described
    (( $#values )) && compadd -V unsorted -a values
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    %(complete_func)s "$@"
else
    compdef %(complete_func)s %(prog_name)s
fi
"""

# The first line of an answer says whether fish completes files itself.
_FISH = """\
function %(complete_func)s_ask
    set -l words (commandline -opc)
    set -l program (string replace -r '^~/' "$HOME/" -- $words[1])
    env %(complete_var)s=fish_complete $program $words[2..] "$(commandline -ct)" 2>/dev/null
end
function %(complete_func)s_wants_files
    set -l answer (%(complete_func)s_ask)
    test "$answer[1]" = file
end
function %(complete_func)s
    set -l answer (%(complete_func)s_ask)
    test (count $answer) -gt 1; and printf '%%s\\n' $answer[2..]
end
complete --command %(prog_name)s --no-files --arguments '(%(complete_func)s)'
complete --command %(prog_name)s --condition %(complete_func)s_wants_files --force-files
"""


class _Answer(ShellComplete):
    """The answer to any shell, in records that end in NUL."""

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words before the one at the cursor, and that word up to the cursor."""
        *words, word = sys.argv[1:]
        return words, word

    def complete(self) -> str:
        """Write the answer as bytes, since a file name may not be valid text; return nothing more to print."""
        if len(sys.argv) < 2:  # from the script of an earlier version
            return ""
        words, word = self.get_completion_args()
        lead = ""
        if word.startswith("--") and "=" in word and "--" not in words:
            option, _, word = word.partition("=")
            words, lead = [*words, option], f"{option}="
        # If the value of an option begins with a dash, Click would offer options.
        is_file = self.is_redirected() or (lead and word.startswith("-"))
        items = [CompletionItem(word, type="file")] if is_file else self.get_completions(words, word)
        sys.stdout.buffer.write(os.fsencode(self.answer(lead, items)))
        sys.stdout.buffer.flush()
        return ""

    def is_redirected(self) -> bool:
        """Whether the word at the cursor is the target of a redirection; zsh and fish complete those themselves."""
        return False

    def answer(self, lead: str, items: Items) -> str:
        """Format the items; `lead` comes before the values in their word, such as ``--checkpoint=``."""
        return "".join(f"{field}\0" for item in items for field in (item.type, lead + item.value, item.help or ""))


class _Bash(_Answer):
    name = "bash"
    source_template = _BASH

    def get_completion_args(self) -> tuple[list[str], str]:
        *words, word = split_line(sys.argv[1])
        return words[1:], word

    def is_redirected(self) -> bool:
        return self._before().rstrip().endswith(("<", ">"))

    def answer(self, lead: str, items: Items) -> str:
        """Leave out the part of the word that bash keeps: it replaces only what follows a ``=`` or a colon."""
        before = split_line(self._before())[-1]
        values = ((item, lead + item.value) for item in items)
        cut = [CompletionItem(value.removeprefix(before), item.type) for item, value in values]
        return super().answer("", cut)

    def _before(self) -> str:
        """Return the line before the part that bash replaces."""
        line, replaced = sys.argv[1:3]
        return line.removesuffix(replaced)


class _Zsh(_Answer):
    name = "zsh"
    source_template = _ZSH

    def answer(self, lead: str, items: Items) -> str:
        return f"{lead}\0{super().answer('', items)}".removesuffix("\0")


class _Fish(_Answer):
    name = "fish"
    source_template = _FISH

    def get_completion_args(self) -> tuple[list[str], str]:
        words, word = super().get_completion_args()
        return words, split_line(word)[-1]  # fish takes quotes from whole words only

    def answer(self, lead: str, items: Items) -> str:
        """Format one item per line, so names with a line end are left out."""
        offered = [item for item in items if item.type in ("plain", NAME) and not re.search(r"[\n\t]", item.value)]
        helps = ((item.help or "").replace("\n", " ").replace("\t", " ") for item in offered)
        lines = [f"{lead}{item.value}\t{text}" for item, text in zip(offered, helps, strict=True)]
        return "\n".join(["offer" if offered else "file", *lines])


# An escaped character; single quotes; double quotes; space between words; operators; any other character.
_PIECE = re.compile(r"""\\(.?)|'([^']*)'?|"((?:[^"\\]|\\.?)*)"?|(\s+)|([<>|&;()]+)|(.)""", re.DOTALL)


def split_line(line: str) -> list[str]:
    """Return the words of an unfinished line, unquoted; the last one, at the cursor, may be empty."""
    words: list[str] = []
    word: str | None = None  # None between two words
    for escaped, single, double, space, operator, other in _PIECE.findall(line):
        if space or operator:
            words += [] if word is None else [word]
            word = None
        else:
            text = re.sub(r'\\([$`"\\])', r"\1", double).removesuffix("\\")
            word = (word or "") + escaped + single + text + other
    return [*words, word or ""]


def answer_shells() -> None:
    """Replace Click's answers to shells by these."""
    for kind in (_Bash, _Zsh, _Fish):
        add_completion_class(kind)


# The file in which each shell reads the line at its start, and the line.
_SETUP = {
    "bash": ("~/.bashrc", 'eval "$(_CHARRNN_COMPLETE=bash_source charrnn)"'),
    "zsh": ("~/.zshrc, below compinit", 'eval "$(_CHARRNN_COMPLETE=zsh_source charrnn)"'),
    "fish": ("~/.config/fish/config.fish", "_CHARRNN_COMPLETE=fish_source charrnn | source"),
}
_HELP = """\
Print the line that sets up completion in SHELL: bash, zsh or fish.

With it, Tab completes commands, options, models and texts. Add the line to the file that stderr names; nothing is
installed.
"""


@click.command(cls=Command, epilog="Example: charrnn completion bash >> ~/.bashrc", help=_HELP)
@click.argument("shell", metavar="SHELL", type=click.Choice(list(_SETUP)))
def completion(shell: str) -> None:
    """Print the line that sets up completion in a shell."""
    where, line = _SETUP[shell]
    say(f"add this line to {where}:")
    click.echo(line)

"""Commands of this program to print, quoted so that they can be pasted into a shell."""

import shlex
from collections.abc import Iterable, Sequence


def command(name: str, arguments: Sequence[str] = (), options: Sequence[str] = ()) -> str:
    """Return a command that a person can copy.

    Parameters
    ----------
    name : of the command, such as ``train``
    arguments : texts and checkpoints; if one begins with a dash, all come after ``--``, where it is not an option
    options : the options and their values

    Examples
    --------
    >>> from charrnn.commands import command
    >>> print(command("sample", ["my lamp.npz"], ["-n", "400"]))
    charrnn sample 'my lamp.npz' -n 400
    >>> print(command("sample", ["-x.npz"], ["-n", "400"]))
    charrnn sample -n 400 -- -x.npz

    """
    may_be_options = any(word.startswith("-") and word != "-" for word in arguments)
    words = [*options, "--", *arguments] if may_be_options else [*arguments, *options]
    return command_line(["charrnn", name, *words])


def command_line(words: Iterable[str]) -> str:
    """Return words quoted for bash and zsh, always on one line."""
    return " ".join(map(_quoted, words))


def _quoted(word: str) -> str:
    if word.isprintable():
        return shlex.quote(word)
    inner = "".join("\\'" if c == "'" else c if c.isprintable() and c != "\\" else _escaped(c) for c in word)
    return f"$'{inner}'"


def _escaped(character: str) -> str:
    """Return a character as shells write it between ``$'`` and ``'``."""
    named = {"\n": r"\n", "\t": r"\t", "\\": r"\\"}
    if character in named:
        return named[character]
    # In a file name, Python writes a byte that is not valid text as a lone surrogate.
    errors = "surrogateescape" if "\udc80" <= character <= "\udcff" else "surrogatepass"
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", errors))

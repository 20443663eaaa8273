"""Commands of this program, written so that a shell reads them back: the one place that quotes what is printed."""

import shlex
from collections.abc import Iterable, Sequence


def command(name: str, arguments: Sequence[str] = (), options: Sequence[str] = ()) -> str:
    """Return a command that a person can copy.

    Parameters
    ----------
    name : of the command, such as ``train``
    arguments : texts and checkpoints; one that begins with a dash comes after ``--``, where it is no option
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
    """Return words as bash and zsh read them, on one line whatever is in them."""
    return " ".join(map(_quoted, words))


def _quoted(word: str) -> str:
    if word.isprintable():
        return shlex.quote(word)
    inner = "".join("\\'" if c == "'" else c if c.isprintable() and c != "\\" else _escaped(c) for c in word)
    return f"$'{inner}'"


def _escaped(character: str) -> str:
    """Write a character as shells know it between ``$'`` and ``'``."""
    named = {"\n": r"\n", "\t": r"\t", "\\": r"\\"}
    if character in named:
        return named[character]
    # A byte of a file's name that is no text stands in it as half of a surrogate pair.
    errors = "surrogateescape" if "\udc80" <= character <= "\udcff" else "surrogatepass"
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", errors))

"""charrnn: learn a text one character at a time, and write more like it, in NumPy.

The data flows through the subpackages in this order: ``text`` → ``nn`` → ``optim`` → ``training`` → ``checkpoint`` →
``sampling``. ``layers`` has the same cells for your own arrays, and ``cli`` is the command line.

The public names are listed in ``__init__.pyi``. Each is loaded when it is first asked for, so that the command's help
needs no NumPy.
"""

# Nothing else is imported here: `python -m charrnn` loads this file before it has left the current folder out.
from importlib import import_module

_HOME: dict[str, str] = {}  # of each public name, filled when the first is asked for


def _homes() -> dict[str, str]:
    if not _HOME:
        with open(f"{__file__}i", encoding="utf-8") as stub:  # noqa: PTH123 - pathlib would be imported too early
            for words in map(str.split, stub):
                if words[:1] == ["from"]:  # from module import name as name
                    _HOME[words[-1]] = words[1]
    return _HOME


def __getattr__(name: str) -> object:
    homes = _homes()
    if name == "__all__":
        return sorted(homes)
    if name not in homes:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(homes[name]), name)
    globals()[name] = value  # from now on it is found without this function
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_homes()})

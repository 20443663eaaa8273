"""Write the map in docs/design.md from the imports of the package: ``python -m tests.design_map``."""

import ast
from collections import defaultdict
from collections.abc import Iterator

from tests.conftest import REPOSITORY
from tests.test_imports import LEVELS, MODULES, PACKAGE, ours, part

PAGE = REPOSITORY / "docs" / "design.md"
_BEGIN = "<!-- The map is generated from the imports: run `make docs`. -->\n"
_END = "<!-- End of the map. -->\n"


def page() -> str:
    """Return the page with the map of today's modules."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(_BEGIN)
    return "".join([before, _BEGIN, "\n", *_drawing(), *_tables(), _END, rest.partition(_END)[2]])


def _drawing() -> Iterator[str]:
    """Draw the levels, the highest first, with the parts that each part imports."""
    needed = defaultdict[str, set[str]](set)
    for module in MODULES:
        needed[part(module)] |= {part(name) for name in ours(module)} - {part(module), ""}
    width = max(len(name) for level in LEVELS for name in level)
    rule = "─" * (width + 2)
    yield f"```text\n┌{rule}┐  imports\n"
    for level in reversed(LEVELS):
        for name in sorted(level):
            below = [other for each in reversed(LEVELS) for other in sorted(each) if other in needed[name]]
            yield from _row(name.ljust(width), " ".join(below), width)
        yield f"{'└' if level is LEVELS[0] else '├'}{rule}{'┘' if level is LEVELS[0] else '┤'}\n"
    yield "```\n"


def _row(name: str, below: str, width: int) -> Iterator[str]:
    """Draw a part; what it imports continues in the lines below if it is long."""
    line = ""
    for word in [*below.split(), ""]:
        if not word or len(line) + len(word) > 70:
            yield f"│ {name} │  {line}".rstrip() + "\n"
            name, line = " " * width, ""
        line += f"{word} "


def _tables() -> Iterator[str]:
    """Describe every module by the first line of its docstring, the highest level first."""
    for level in reversed(LEVELS):
        for name in sorted(level):
            modules = [module for module in MODULES if part(module) == name]
            if len(modules) > 1:
                yield f"\n`charrnn/{name}/`: {_summary(modules[0])}\n"
                yield from _table(modules[1:])
    yield "\nSingle files:\n"
    yield from _table([module for module in MODULES if part(module) and MODULES[module].parent == PACKAGE])


def _table(modules: list[str]) -> Iterator[str]:
    yield "\n| module | what it is | imports |\n|---|---|---|\n"
    for module in modules:
        path = MODULES[module].relative_to(REPOSITORY)
        inside = {name.rpartition(".")[2] for name in ours(module) if part(name) == part(module)}
        outside = {part(name) for name in ours(module)} - {part(module), ""}
        imports = ", ".join([*sorted(inside), *sorted(f"*{name}*" for name in outside)])
        yield f"| [{path.name}](../{path.as_posix()}) | {_summary(module)} | {imports} |\n"


def _summary(module: str) -> str:
    docstring = ast.get_docstring(ast.parse(MODULES[module].read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0].replace("``", "`")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8", newline="\n")

"""The code that docs/derivation.md quotes is the code of the plain equations, and its sessions print what they say."""

import ast
import doctest
import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from charrnn.nn import equations
from tests.conftest import REPOSITORY

PAGE = REPOSITORY / "docs" / "derivation.md"
MARKDOWN = PAGE.read_text(encoding="utf-8")
STEPS: list[Callable[..., Any]] = [function for cell in equations.CELLS.values() for function in cell]


def blocks(language: str) -> list[str]:
    """The fenced blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", MARKDOWN, re.MULTILINE | re.DOTALL)


def tables() -> Iterator[list[list[str]]]:
    """The rows of each table, headings first."""
    for table in re.findall(r"(?:^\|.*\|\n)+", MARKDOWN, re.MULTILINE):
        rows = [[cell.strip() for cell in line.strip("|\n").split("|")] for line in table.splitlines(keepends=True)]
        assert len({len(row) for row in rows}) == 1
        yield [rows[0], *rows[2:]]


def quotes() -> dict[str, list[str]]:
    """By the name of a function that heads a table: the statements below it."""
    found = {}
    for heading, *rows in tables():
        if name := re.fullmatch(r"`(\w+)`", heading[-1]):
            found[name[1]] = [as_code(row[-1]) for row in rows]
    return found


def as_code(cell: str) -> str:
    """A cell that is code, without its backticks and in Python's own form."""
    assert cell[0] == cell[-1] == "`"
    return ast.unparse(ast.parse(cell.strip("`")))


def statements(function: object) -> list[ast.stmt]:
    """Every statement of a function, in order."""
    body = ast.walk(ast.parse(inspect.getsource(function)))  # type: ignore[arg-type]
    return sorted((node for node in body if isinstance(node, ast.stmt)), key=lambda node: node.lineno)


def stands_in(part: Sequence[str], whole: Sequence[str]) -> bool:
    """Whether the parts come one right after the other."""
    return any(list(whole[k : k + len(part)]) == list(part) for k in range(len(whole)))


@pytest.mark.parametrize("block", blocks("python"))
def test_a_quoted_block_stands_in_the_equations(block: str) -> None:
    quoted = [ast.unparse(node) for node in ast.parse(block).body]
    bodies = [getattr(node, "body", None) for node in ast.walk(ast.parse(inspect.getsource(equations)))]
    assert any(stands_in(quoted, [ast.unparse(node) for node in body]) for body in bodies if isinstance(body, list))


@pytest.mark.parametrize("name", quotes())
def test_the_lines_of_a_table_stand_in_the_function_that_heads_it(name: str) -> None:
    code = iter([ast.unparse(node) for node in statements(getattr(equations, name))])
    for quoted in quotes()[name]:
        assert quoted in code, quoted  # each is looked for after the one before


@pytest.mark.parametrize("function", STEPS, ids=lambda function: function.__name__)
def test_every_line_of_a_cell_that_computes_something_is_quoted(function: Callable[..., Any]) -> None:
    (definition, *lines) = statements(function)
    assert isinstance(definition, ast.FunctionDef)
    computing = ast.BinOp | ast.AugAssign | ast.Attribute
    expected = [ast.unparse(line) for line in lines if any(isinstance(node, computing) for node in ast.walk(line))]
    assert quotes()[function.__name__] == expected


def test_what_is_compared_with_the_fast_form_stands_in_the_equations() -> None:
    code = ast.unparse(ast.parse(inspect.getsource(equations)))
    compared = [row[0] for heading, *rows in tables() if heading[0].startswith("plain form") for row in rows]
    assert compared
    for cell in compared:
        assert as_code(cell) in code, cell


def test_the_sessions_print_what_they_say() -> None:
    runner = doctest.DocTestRunner()
    runner.run(doctest.DocTestParser().get_doctest("\n".join(blocks("pycon")), {}, PAGE.name, str(PAGE), 0))
    assert runner.tries > 10
    assert not runner.failures

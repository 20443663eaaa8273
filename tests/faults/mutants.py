"""F19: one operator, comparison, number or statement changed at a time, and how many of the changes a test sees.

    python -m tests.faults --mutants                       each module, 25 changes drawn from each
    python -m tests.faults --mutants 100 checkpoint.py     100 changes of one

A change that no test sees is printed: either a test is missing, or the change makes no difference that matters, and the
table in README.md says why. The mathematics has its own, quicker test of this kind: tests/test_mutants.py.
"""

import ast
import copy
import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.faults.changed import REPOSITORY, TIMED_OUT, copy_of_the_tree, run_tests

_CACHE = ("tests/cache/test_loading.py", "tests/cli/test_cache.py", "tests/faults/test_cache.py")
# A module, and the tests that should see it change, the quickest first.
MODULES: dict[str, tuple[str, ...]] = {
    "archive/layout.py": ("tests/test_archive.py", "tests/test_archive_refusals.py", "tests/test_archive_writer.py"),
    "archive/lock.py": ("tests/test_archive_lock.py", "tests/faults/test_two_trainings.py"),
    "archive/lookalike.py": ("tests/test_archive_refusals.py",),
    "archive/reader.py": ("tests/test_archive_refusals.py", "tests/test_archive.py"),
    "archive/values.py": ("tests/test_checkpoint.py",),
    "archive/writer.py": (
        "tests/test_archive_writer.py",
        "tests/test_archive.py",
        "tests/faults/test_failing_calls.py",
        "tests/faults/test_power_loss.py",
    ),
    "cache/entry.py": (*_CACHE,),
    "cache/folder.py": (*_CACHE,),
    "cache/loading.py": (*_CACHE,),
    "checkpoint.py": ("tests/test_checkpoint.py", "tests/faults/test_museum.py"),
    "text/batches.py": ("tests/text/test_batches.py",),
    "text/cells.py": ("tests/text/test_cells.py", "tests/text/test_corpus.py"),
    "text/corpus.py": ("tests/text/test_corpus.py", "tests/text/test_max_vocab.py", "tests/text/test_passage.py"),
    "text/documents.py": ("tests/text/test_documents.py",),
    "text/finding.py": ("tests/text/test_finding.py", "tests/text/test_corpus.py"),
    "text/items.py": ("tests/text/test_items.py",),
    "text/mapped.py": ("tests/text/test_mapped.py",),
    "text/nearest.py": ("tests/text/test_nearest.py",),
    "text/normalizing.py": ("tests/text/test_normalizing.py", "tests/text/test_corpus.py"),
    "text/numbering.py": ("tests/text/test_cells.py", "tests/text/test_max_vocab.py", "tests/cache/test_loading.py"),
    "text/orders.py": ("tests/text/test_orders.py", "tests/text/test_documents.py"),
    "text/passage.py": ("tests/text/test_passage.py", "tests/scoring/test_score.py"),
    "text/permutation.py": ("tests/text/test_permutation.py",),
    "text/reading.py": ("tests/text/test_corpus.py", "tests/text/test_normalizing.py", "tests/faults/test_texts.py"),
    "text/sequences.py": ("tests/text/test_sequences.py",),
    "text/vocabulary.py": ("tests/text/test_vocabulary.py",),
    "gradcheck.py": ("tests/test_gradcheck.py", "tests/cli/test_gradcheck.py"),
}
_SECONDS = 120  # after which a change that makes the tests hang is seen
_SWAPS: dict[type, type] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult,
    ast.Pow: ast.Mult, ast.MatMult: ast.Mult, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr, ast.LShift: ast.RShift,
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.And: ast.Or, ast.Or: ast.And,
    ast.USub: ast.UAdd, ast.Not: ast.UAdd,
}  # fmt: skip


def _asks_for_the_system(test: ast.expr) -> bool:
    """Whether a branch depends on the operating system: what is for another one is not run here, and not judged."""
    return "sys.platform" in ast.unparse(test)


class Mutator(ast.NodeTransformer):
    """Makes the nth change there is, and remembers where."""

    def __init__(self, nth: int) -> None:
        self.nth, self.seen, self.line = nth, -1, 0

    def _is_it(self, node: ast.AST) -> bool:
        self.seen += 1
        if self.seen == self.nth:
            self.line = getattr(node, "lineno", 0)
        return self.seen == self.nth

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if type(node.op) in _SWAPS and not isinstance(node.left, ast.Constant | ast.JoinedStr) and self._is_it(node):
            node.op = _SWAPS[type(node.op)]()
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        self.generic_visit(node)
        if type(node.op) in _SWAPS and self._is_it(node):
            node.op = _SWAPS[type(node.op)]()
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        for place, operator in enumerate(node.ops):
            if type(operator) in _SWAPS and self._is_it(node):
                node.ops[place] = _SWAPS[type(operator)]()
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        self.generic_visit(node)
        if self._is_it(node):
            node.op = _SWAPS[type(node.op)]()
        return node

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        if type(node.op) in _SWAPS and self._is_it(node):
            return node.operand
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if isinstance(node.value, bool):
            return ast.Constant(not node.value) if self._is_it(node) else node
        if isinstance(node.value, int | float):
            return ast.Constant(node.value + 1) if self._is_it(node) else node
        return node

    def visit_If(self, node: ast.If) -> ast.AST:
        if _asks_for_the_system(node.test):
            return node
        self.generic_visit(node)
        if self._is_it(node):
            node.test = ast.Constant(False)
        elif self._is_it(node):
            node.test = ast.Constant(True)
        return node

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        return node if _asks_for_the_system(node.test) else self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.value, ast.Call) and self._is_it(node):
            return ast.copy_location(ast.Pass(), node)
        return node

    def visit_Return(self, node: ast.Return) -> ast.AST:
        self.generic_visit(node)
        if node.value and not isinstance(node.value, ast.Constant) and self._is_it(node):
            node.value = ast.Constant(None)
        return node

    # Annotations and messages are no behaviour that is judged here.
    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value:
            node.value = self.visit(node.value)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.body = [self.visit(statement) for statement in node.body]
        node.args.defaults = [self.visit(default) for default in node.args.defaults]
        return node

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        return node


def mutants(source: str, count: int, rng: random.Random) -> Iterator[tuple[int, str, str]]:
    """Yield `count` of all changes that can be made: line, the line as it is, and the whole changed source."""
    tree = ast.parse(source)
    every = Mutator(-2)
    every.visit(copy.deepcopy(tree))
    lines = source.splitlines()
    for nth in sorted(rng.sample(range(every.seen + 1), min(count, every.seen + 1))):
        mutator = Mutator(nth)
        changed = ast.fix_missing_locations(mutator.visit(copy.deepcopy(tree)))
        yield mutator.line, lines[mutator.line - 1].strip(), ast.unparse(changed)


def _difference(before: str, after: str) -> str:
    """The changed line as it reads now."""
    pairs = zip(ast.unparse(ast.parse(before)).splitlines(), after.splitlines(), strict=False)
    return next((new.strip() for old, new in pairs if old != new), "")


def main(arguments: list[str]) -> int:
    """Change, test, count, and print what was not seen."""
    count = int(arguments[0]) if arguments else 25
    names = arguments[1:] or list(MODULES)
    total = killed = 0
    with tempfile.TemporaryDirectory() as folder:
        tree, log = copy_of_the_tree(Path(folder) / "tree"), Path(folder) / "log"
        for name in names:
            source = (REPOSITORY / "charrnn" / name).read_text(encoding="utf-8")
            path = tree / "charrnn" / name
            rng = random.Random(name)  # noqa: S311 - which changes, not secrets
            seen = hung = tried = 0
            path.write_text(ast.unparse(ast.parse(source)), encoding="utf-8")
            if run_tests(tree, MODULES[name], log, _SECONDS):
                print(f"{name}: its tests are red before any change\n{log.read_text(encoding='utf-8')}")
                return 1
            for line, text, changed in mutants(source, count, rng):
                path.write_text(changed, encoding="utf-8")
                code = run_tests(tree, MODULES[name], log, _SECONDS)
                tried += 1
                seen += code != 0
                hung += code == TIMED_OUT
                if code == 0:
                    print(f"  survived: {name}:{line}: {text}  ->  {_difference(source, changed)}", flush=True)
            path.write_text(source, encoding="utf-8")
            print(f"{name}: {seen} of {tried} seen, {hung} of them by hanging", flush=True)
            total, killed = total + tried, killed + seen
    print(f"all: {killed} of {total} seen, {killed / total:.1%}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

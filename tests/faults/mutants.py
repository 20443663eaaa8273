"""F19: one change to the source at a time, and how many of the changes a test sees.

    python -m tests.faults --mutants                                25 changes drawn from each module
    python -m tests.faults --mutants 100 checkpoint.py              100 changes of one
    python -m tests.faults --mutants all archive.py:_write   every change of one function

A change that no test sees is printed: either a test is missing, or the change makes no difference that matters, and
README.md says why. The mathematics has its own, quicker test of this kind: tests/test_mutants.py.
"""

import ast
import random
import tempfile
from pathlib import Path

from tests.faults.changed import REPOSITORY, TIMED_OUT, copy_of_the_tree, run_tests
from tests.mutation import mutants

_SECONDS = 120  # after which a change that makes the tests hang is seen
# A module, and the tests that should see it change, the quickest first.
MODULES: dict[str, tuple[str, ...]] = {
    "files.py": ("test_archive.py", "faults/test_two_trainings.py"),
    "archive.py": (
        "test_archive_refusals.py",
        "test_archive.py",
        "test_checkpoint.py",
        "faults/test_crafted.py",
        "faults/test_failing_calls.py",
        "faults/test_power_loss.py",
    ),
    "cache.py": ("cache/test_loading.py", "cli/test_cache.py", "faults/test_cache.py"),
    "checkpoint.py": ("test_checkpoint.py", "faults/test_crafted.py"),
    "cli/signals.py": ("cli/test_main.py", "faults/test_signals.py"),
    "gradcheck.py": ("test_gradcheck.py", "layers/test_checking.py", "cli/test_gradcheck.py"),
    "report/terminal.py": ("report/test_terminal.py", "faults/test_terminals.py"),
    "text/corpus.py": (
        "text/test_corpus.py",
        "text/test_max_vocab.py",
        "text/test_storage.py",
        "text/test_normalizing.py",
        "cache/test_loading.py",
    ),
    "text/items.py": (
        "text/test_items.py",
        "text/test_documents.py",
        "text/test_orders.py",
        "text/test_permutation.py",
    ),
    "text/passage.py": ("text/test_passage.py", "scoring/test_reading.py"),
    "text/sources.py": (
        "text/test_finding.py",
        "text/test_corpus.py",
        "text/test_packed.py",
        "text/test_normalizing.py",
        "faults/test_texts.py",
    ),
    "text/storage.py": ("text/test_storage.py", "text/test_mapped.py", "text/test_corpus.py"),
    "text/streams.py": ("text/test_batches.py",),
    "text/vocabulary.py": (
        "text/test_vocabulary.py",
        "text/test_nearest.py",
        "text/test_normalizing.py",
        "text/test_sequences.py",
    ),
    "training/run.py": (
        "training/test_run.py",
        "training/test_saving.py",
        "training/test_rollback.py",
        "training/test_resume.py",
    ),
    "training/trainer.py": ("training/test_trainer.py", "training/test_rollback.py", "training/test_documents.py"),
}


def main(arguments: list[str]) -> int:
    """Change, test, count, and print what was not seen; return 0."""
    count, *names = arguments or ["25"]
    tried = seen = 0
    with tempfile.TemporaryDirectory() as folder:
        tree, log = copy_of_the_tree(Path(folder) / "tree"), Path(folder) / "log"
        for name in names or MODULES:
            of_this, seen_of_this = _try_module(name, count, tree, log)
            tried, seen = tried + of_this, seen + seen_of_this
    print(f"all: {seen} of {tried} seen, {seen / max(tried, 1):.1%}")
    return 0


def _try_module(name: str, count: str, tree: Path, log: Path) -> tuple[int, int]:
    """Try changes of a module or of one function of it; return how many, and how many were seen."""
    module, _, function = name.partition(":")
    tests = [f"tests/{test}" for test in MODULES[module]]
    source, path = REPOSITORY / "charrnn" / module, tree / "charrnn" / module
    whole = path.read_text(encoding="utf-8")
    some = list(mutants(source, lambda one: not function or one == function, deeds=True))
    if not some:
        raise SystemExit(f"{module} has no function {function}")
    if run_tests(tree, tests, log, _SECONDS):
        raise SystemExit(f"{module}: its tests are red before any change\n{log.read_text(encoding='utf-8')}")
    if count != "all":
        some = random.Random(name).sample(some, min(int(count), len(some)))  # noqa: S311 - which changes, not secrets
    seen = hung = 0
    for mutant in some:
        path.write_text(ast.unparse(mutant.tree), encoding="utf-8")
        code = run_tests(tree, tests, log, _SECONDS)
        seen += code != 0
        hung += code == TIMED_OUT
        if code == 0:
            print(f"  survived: {module}:{mutant.line}: {mutant}", flush=True)
    path.write_text(whole, encoding="utf-8")
    print(f"{name}: {seen} of {len(some)} seen, {hung} of them by hanging", flush=True)
    return len(some), seen

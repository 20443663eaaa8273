"""Fault tests beyond the everyday suite.

python -m tests.faults                 the fault tests as the everyday suite runs them
python -m tests.faults --release       the same with the numbers of a release; files and pytest's options
                                       may follow; CHARRNN_FAULTS_SHARE=0.1 makes it a tenth of them
python -m tests.faults --mutants       change one thing at a time, and count what no test sees; how many of each
                                       module (or "all"), and which modules or module.py:function, may follow
python -m tests.faults --soak SECONDS  train for long, with pauses and a full disk
"""

import os
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
# The property tests outside this folder, which a release runs with more examples (F20).
PROPERTIES = (
    *("nn/test_loss.py", "sampling/test_filters.py", "text/test_vocabulary.py", "optim/test_clipping.py"),
    *("test_archive.py", "report/test_terminal.py"),
)


def main(arguments: list[str]) -> int:
    """Do what is asked for; return an exit code."""
    match arguments:
        case ["--mutants", *rest]:
            from tests.faults.mutants import main as mutants

            return mutants(rest)
        case ["--soak", *rest]:
            from tests.faults.soak import main as soak

            return soak(float(rest[0]) if rest else 7200.0)
    is_release = "--release" in arguments
    options = [argument for argument in arguments if argument != "--release"]
    if is_release:
        os.environ["CHARRNN_FAULTS"] = "release"
    import pytest

    named = [option for option in options if not option.startswith("-")]
    tests = [] if named else [FOLDER, *(FOLDER.parent / name for name in PROPERTIES if is_release)]
    marks = ["-m", "slow or not slow"] if is_release else []
    return int(pytest.main(["-q", *marks, *map(str, tests), *options]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

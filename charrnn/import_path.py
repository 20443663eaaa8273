"""Where modules are imported from: never the current folder, in which a user may have a ``random.py`` of their own.

Only `os` and `sys` are imported here, which Python has loaded before anything of ours runs.
"""

import os
import sys


def leave_out_current_folder() -> None:
    """Remove the current folder from this program's module path, where ``python -m`` or ``PYTHONPATH`` put it."""
    sys.path[:] = safe_path()


def safe_path() -> list[str]:
    """Return the module path without the current folder.

    The folder that has this package comes last, so that the package is found even where that is the current folder.
    """
    home = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - pathlib is not loaded yet
    try:
        here = os.path.realpath(os.getcwd())  # noqa: PTH109
    except OSError:  # it was deleted
        here = ""
    kept = [entry for entry in sys.path if os.path.isabs(entry) and os.path.realpath(entry) != here]  # noqa: PTH117
    return kept if home in kept else [*kept, home]

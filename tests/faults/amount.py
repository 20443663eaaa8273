"""How often a fault is tried: a few times in the everyday suite, many times before a release."""

import os

IS_RELEASE = os.environ.get("CHARRNN_FAULTS") == "release"
# Of the numbers of a release, where there is no time for all.
_SHARE = float(os.environ.get("CHARRNN_FAULTS_SHARE", "1"))


def trials(everyday: int, release: int) -> int:
    """Choose the number of trials; ``python -m tests.faults --release`` asks for the second."""
    return max(everyday, round(_SHARE * release)) if IS_RELEASE else everyday

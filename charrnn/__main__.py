"""Where the program begins. Ctrl-C is quiet from here on, also while the commands are still being loaded.

At the top, only modules are imported that Python has already loaded: a Ctrl-C before `run` would be a traceback, and
any other import could still find a file in the current folder.
"""

import os

from charrnn.environment import leave_out_current_folder

TYPE_CHECKING = False  # that of `typing`, which takes milliseconds to load
if TYPE_CHECKING:
    from types import FrameType
    from typing import NoReturn


def run() -> "NoReturn":
    """Run the command line and leave with its exit code."""
    leave_out_current_folder()
    # It is built in. `signal` would first import `enum`, and a Ctrl-C meanwhile would be a traceback.
    import _signal as signal  # type: ignore[import-not-found]

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else a parent asked not to be disturbed
        signal.signal(signal.SIGINT, _leave)
    from charrnn.cli.main import run as run_commands

    run_commands()


def _leave(number: int, frame: "FrameType | None") -> None:  # noqa: ARG001 - the signature is Python's
    """End at once: nothing is begun yet, and an exception would come out of whatever is being imported."""
    os._exit(128 + number)  # what a shell calls the death by it


if __name__ == "__main__":
    run()

"""What people give by mistake, and how it must end: with one sentence, an exit code, and nothing lost."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.conftest import TINY, Outcome, contents
from tests.forking import Forks

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


def truncated(model: bytes) -> bytes:
    return model[: len(model) // 2]


def one_bit_flipped(model: bytes) -> bytes:
    middle = len(model) // 2
    return model[:middle] + bytes([model[middle] ^ 1]) + model[middle + 1 :]


# Each name in a row below that is a key here is first written to the folder; models are made from a good one.
FILES: Mapping[str, bytes] = {
    "lamp.txt": b"the lamp went round, and the sea went round the lamp.\n" * 9,
    "empty.txt": b"",
    "one.txt": b"a",
    "mark.txt": b"\xef\xbb\xbf",
    "picture.png": PNG,
    "utf16.txt": "the lamp".encode("utf-16"),
    "broken.txt.gz": b"\x1f\x8b\x08rubbish",
    "text.npz": b"the lamp went round\n",
    "empty.npz": b"",
}
MODELS: Mapping[str, Callable[[bytes], bytes]] = {
    "good.npz": bytes,
    "truncated.npz": truncated,
    "flipped.npz": one_bit_flipped,
}
TRAIN = ("train", "lamp.txt", *TINY, "--steps", "5")
SAMPLE = ("sample", "good.npz", "-n", "5")
PLAN = ("text  ", "model ", "train ", "speed ")  # how the lines begin that say what will be done


def lay_out(arguments: tuple[str, ...], good: bytes) -> None:
    """Write each file that is named in the arguments, and folders, one of them where a picture is to go."""
    Path("folder").mkdir(exist_ok=True)
    Path("folder.svg").mkdir(exist_ok=True)
    for name in arguments:
        if name in FILES:
            Path(name).write_bytes(FILES[name])
        elif name in MODELS:
            Path(name).write_bytes(MODELS[name](good))


def check_refusal(forks: Forks, arguments: tuple[str, ...], code: int, words: str, **how: Any) -> Outcome:
    """Run the command and see it end in one harmless sentence with these words, and every file as it was."""
    before = contents(Path())
    outcome = forks.run(*arguments, **how)
    assert (outcome.code, outcome.out) == (code, b""), outcome.err
    lines = [line for line in outcome.error_lines if not line.startswith(PLAN)]
    assert len(lines) == 1, outcome.err
    assert lines[0].startswith("charrnn: ")
    assert words in lines[0], lines[0]
    assert lines[0].isprintable()
    after = contents(Path())
    assert {name: after.get(name) for name in before} == before
    return outcome

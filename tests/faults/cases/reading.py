"""Cases 1 to 27: reading a checkpoint."""

import os
import socket
import threading
from pathlib import Path

from tests.conftest import REPOSITORY
from tests.faults.cases.desk import RESUME, Case, Desk, refused
from tests.faults.checkpoints import MODELS


def the_model_in_the_repository_loads(desk: Desk) -> None:
    desk.do("sample", str(REPOSITORY / "checkpoints" / "pretrained.npz"), "-n", "5")


def a_bad_seed_is_bad_for_every_command(desk: Desk) -> None:
    for name, words in (
        ("seed-negative.npz", "rng_seed must be 0 or more, not -1"),
        ("seed-gone.npz", "the configuration's fields differ: ['rng_seed']"),
    ):
        for command in (RESUME, ("sample",)):
            desk.refuse((*command, name), 1, f"{name} is damaged or incomplete ({words}")


def what_is_no_file(desk: Desk) -> None:
    os.mkfifo("pipe.npz")
    Path("loop.npz").symlink_to("loop.npz")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.npz")
        for name, words in (
            ("pipe.npz", "'pipe.npz' is not a regular file"),
            ("loop.npz", "cannot read 'loop.npz': Too many levels of symbolic links"),
            ("socket.npz", "cannot read 'socket.npz'"),
            ("folder", "cannot read 'folder': Is a directory"),
            ("/dev/zero", "'/dev/zero' is not a regular file"),
        ):
            desk.refuse(("sample", name), 1, words)


def what_may_not_be_read(desk: Desk) -> None:
    Path.cwd().chmod(0o755)
    Path("good.npz").chmod(0)
    desk.refuse(("sample", "good.npz"), 1, "cannot read 'good.npz': Permission denied", as_nobody=True)


def replaced_while_it_is_read(desk: Desk) -> None:
    greedy = ("good.npz", "-n", "50", "--temperature", "0", "-q")
    whole = [Path("good.npz").read_bytes(), MODELS["quiet.npz"](desk.good)]
    expected = []
    for content in whole:
        Path("good.npz").write_bytes(content)
        expected.append(desk.do("sample", *greedy).out)
    assert expected[0] != expected[1]
    is_over = threading.Event()

    def replace_again_and_again() -> None:
        while not is_over.is_set():
            for content in whole:
                Path("next.npz").write_bytes(content)
                Path("next.npz").replace("good.npz")

    replacing = threading.Thread(target=replace_again_and_again)
    replacing.start()
    try:
        seen = [desk.do("sample", *greedy).out for _ in range(20)]
    finally:
        is_over.set()
        replacing.join()
    assert set(seen) <= set(expected)


def a_cap_that_can_be_raised(desk: Desk) -> None:
    cap = {"CHARRNN_MAX_CHECKPOINT_BYTES": "1000"}
    words = "more than the limit of 1,000; if you trust it, set CHARRNN_MAX_CHECKPOINT_BYTES to a larger number"
    desk.refuse(("sample", "good.npz"), 1, words, environment=cap)


# Each crafted archive is refused by this test; how the command line tells of one is the same for all.
CRAFTED = ("test_what_is_no_plain_archive_of_numbers_is_refused_with_the_reason",)
DESCRIBED = ("test_a_description_that_contradicts_the_arrays_is_refused",)
CASES: dict[int, Case] = {
    1: Case(
        "missing", ((("sample", "none.npz"), 1, "no such checkpoint: 'none.npz'; in the same folder: 'good.npz'"),)
    ),
    2: Case("empty", refused("empty.npz", words="is empty (was a save interrupted?)"), tests=CRAFTED),
    3: Case(
        "cut short",
        refused("cut-at-half.npz", words="is cut short"),
        tests=("test_every_truncation_is_called_cut_short",),
    ),
    4: Case("a tail of zeros", tests=CRAFTED),
    5: Case(
        "a bit flipped",
        refused("flipped.npz", words="does not match its checksum"),
        tests=("test_no_random_damage_changes_an_array",),
    ),
    6: Case(
        "a header that makes an array shrink or shift",
        tests=("test_no_changed_byte_of_the_structure_changes_an_array",),
    ),
    7: Case(
        "an array missing or too many",
        refused("less.npz", words="params/linear.b_y is missing"),
        tests=("test_arrays_that_contradict_the_description_are_refused",),
    ),
    8: Case("two members of one name", tests=CRAFTED),
    9: Case("what is no plain number", tests=CRAFTED),
    10: Case("another order of bytes", tests=CRAFTED),
    11: Case("shapes that nothing has", tests=CRAFTED),
    12: Case("bombs", tests=("test_bomb_is_refused_before_it_fills_the_memory",)),
    13: Case("members that overlap or are too many", tests=CRAFTED),
    14: Case("zip files that no checkpoint is", tests=CRAFTED),
    15: Case("names like paths and commands", tests=CRAFTED),
    16: Case(
        "numbers that no model has",
        (
            *refused("nan.npz", words="holds a number that is not finite"),
            ((*RESUME, "nan.npz"), 1, "holds a number that is not finite"),
            ((*RESUME, "negative-memory.npz"), 1, "has a negative sum of squares"),
        ),
    ),
    17: Case(
        "files of other programs",
        (
            *refused("torch.pt", words="is not a charrnn checkpoint (looks like a PyTorch checkpoint)"),
            *refused("lamp.txt", words="(looks like a text file); give an .npz file"),
        ),
        tests=CRAFTED,
    ),
    18: Case("newer", refused("newer.npz", words="made by a newer charrnn (format 3, this one reads up to 1)")),
    19: Case("older", story=the_model_in_the_repository_loads),
    20: Case("sizes that contradict the arrays", tests=DESCRIBED),
    21: Case("JSON that is none, or too much", tests=("test_json_that_is_no_honest_json_is_refused",)),
    22: Case("vocabularies that cannot be", tests=DESCRIBED),
    23: Case("a random seed that is none", story=a_bad_seed_is_bad_for_every_command),
    24: Case("no file", story=what_is_no_file),
    25: Case("no permission", story=what_may_not_be_read),
    26: Case(
        "replaced while it is read",
        story=replaced_while_it_is_read,
        tests=("test_file_replaced_while_it_is_read_is_the_old_one",),
    ),
    27: Case("beyond the cap", story=a_cap_that_can_be_raised),
}

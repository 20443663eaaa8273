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
    wrong_type = "rng_seed must be a whole number, not "
    for name, words in (
        ("seed-negative.npz", "rng_seed must be 0 or more, not -1"),
        ("seed-broken.npz", wrong_type),
        ("seed-words.npz", wrong_type),
        ("seed-none.npz", wrong_type),
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


CASES: dict[int, Case] = {
    1: Case(
        "missing", ((("sample", "none.npz"), 1, "no such checkpoint: 'none.npz'; in the same folder: 'good.npz'"),)
    ),
    2: Case("empty", refused("empty.npz", words="is empty (was a save interrupted?)")),
    3: Case(
        "cut short",
        (
            *refused("cut-1.npz", words="is not a charrnn checkpoint"),
            *refused("cut-at-4.npz", "cut-at-half.npz", "cut-by-22.npz", "cut-by-1.npz", words="is cut short"),
        ),
        tests=("test_every_truncation_is_called_cut_short",),
    ),
    4: Case("a tail of zeros", refused("zeroed.npz", words="is cut short or damaged")),
    5: Case(
        "a bit flipped",
        refused("flipped-early.npz", "flipped.npz", words="does not match its checksum"),
        tests=("test_no_random_damage_changes_an_array",),
    ),
    6: Case(
        "a header that makes an array shrink or shift",
        refused("shrunk.npz", "shifted.npz", words="is damaged"),
        tests=("test_no_changed_byte_of_the_structure_changes_an_array",),
    ),
    7: Case(
        "an array missing or too many",
        (
            *refused("less.npz", words="params/linear.b_y is missing"),
            *refused("more.npz", words="unknown member bonus"),
            *refused("no-meta.npz", words="it has no meta member"),
        ),
    ),
    8: Case(
        "two members of one name",
        (
            *refused("twice.npz", words="two of its arrays have one name"),
            *refused("no-suffix.npz", words="member named"),
        ),
    ),
    9: Case(
        "what is no plain number",
        refused(
            "objects.npz",
            "strings.npz",
            "void.npz",
            "dates.npz",
            "records.npz",
            words="is not a plain array of numbers",
        ),
    ),
    10: Case(
        "another order of bytes", refused("big-endian.npz", "fortran.npz", words="is not a plain array of numbers")
    ),
    11: Case(
        "shapes that nothing has",
        (
            *refused("huge-40.npz", "overflow.npz", words="does not have as many numbers as its shape says"),
            *refused(
                *("huge-70.npz", "negative.npz", "dimensions.npz", "truth.npz"), words="is not a plain array of numbers"
            ),
        ),
    ),
    12: Case(
        "bombs",
        (
            *refused("bomb.npz", "bytes-bomb.npz", words="its arrays would unpack to 73,400,3"),
            *refused("header-bomb.npz", words="'params/linear.b_y' is not a plain array of numbers"),
            *refused("lzma.npz", "bzip2.npz", words="its directory holds an entry that no checkpoint has"),
        ),
        tests=("test_bomb_is_refused_before_it_fills_the_memory",),
    ),
    13: Case(
        "members that overlap or are too many",
        (
            *refused("overlapping.npz", words="'meta' is not where its directory says"),
            *refused("crowd.npz", words="it claims 60000 arrays, more than 1024"),
        ),
    ),
    14: Case(
        "zip files that no checkpoint is",
        (
            *refused("encrypted.npz", "method.npz", words="its directory holds an entry that no checkpoint has"),
            *refused("zip64.npz", words="its members claim more bytes than the file has"),
            *refused("leading.npz", words="is not a charrnn checkpoint"),
            *refused("trailing.npz", words="is cut short or damaged at its end"),
        ),
    ),
    15: Case(
        "names like paths and commands",
        refused("up.npz", "absolute.npz", "escape.npz", "bidi.npz", words="is damaged (it"),
    ),
    16: Case(
        "numbers that no model has",
        (
            *refused("nan.npz", "infinite.npz", words="holds a number that is not finite"),
            *refused("negative-memory.npz", words="has a negative sum of squares"),
            ((*RESUME, "nan.npz"), 1, "holds a number that is not finite"),
            ((*RESUME, "negative-memory.npz"), 1, "has a negative sum of squares"),
        ),
    ),
    17: Case(
        "files of other programs",
        (
            *refused("torch.pt", words="is not a charrnn checkpoint (looks like a PyTorch checkpoint)"),
            *refused("model.safetensors", words="(looks like a safetensors file)"),
            *refused("model.keras", words="(looks like a Keras model)"),
            *refused("model.pkl", words="(looks like a pickle file"),
            *refused("array.npy", words="(looks like a single .npy array)"),
            *refused("model.t7", words="(looks like a Torch7 file"),
            *refused("text.npz", "lamp.txt", words="(looks like a text file); give an .npz file"),
        ),
    ),
    18: Case("newer", refused("newer.npz", words="made by a newer charrnn (format 3, this one reads up to 1)")),
    19: Case("older", story=the_model_in_the_repository_loads),
    20: Case("sizes that contradict the arrays", refused("other-size.npz", words="shape (22, 48), the model's descr")),
    21: Case(
        "JSON that is none, or too much",
        (
            *refused("huge-size.npz", words="meta has a count above"),
            *refused("json-nan.npz", words="NaN in meta"),
            *refused("json-deep.npz", words="json-deep.npz is damaged or incomplete"),
            *refused("json-deeper.npz", words="meta is nested too deeply"),
            *refused("json-twice.npz", words="a name stands twice in meta"),
            *refused("json-long.npz", words="a number of 100,000 digits in meta"),
            *refused("json-type.npz", words="meta has a text where a whole number belongs"),
            *refused("json-not.npz", words="meta is not JSON"),
        ),
    ),
    22: Case(
        "vocabularies that cannot be",
        (
            *refused("doubled.npz", words="must be distinct and in code-point order"),
            *refused("surrogate.npz", words="a surrogate is half a character"),
            *refused("beyond.npz", words="meta is not JSON"),  # beyond Unicode there is no character to write
            *refused("shorter.npz", words=", the vocabulary "),
        ),
    ),
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

"""Whatever is given by mistake ends in one sentence that says what, where and what to do, and an exit code."""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from charrnn import checkpoint
from charrnn.nn.model import CharRNN
from tests.conftest import TINY, Charrnn, run_process

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
# Arguments -> exit code, and words that the one line must have.
ROWS: list[tuple[tuple[str, ...], int, str]] = [
    (("train", "missing.txt"), 2, "there is no text missing.txt: name a file, or one of the bundled texts: "),
    (("train", "lamb.txt"), 2, "did you mean lamp.txt"),
    (("train", "empty.txt"), 2, "empty.txt is empty: give a text of at least two characters"),
    (("train", "mark.txt"), 2, "mark.txt is empty"),
    (("train", "-"), 2, "- is empty"),
    (("train", "-", "-"), 2, "stdin can be read only once"),
    (("train", "one.txt"), 2, "one.txt has only one character"),
    (("train", "picture.png"), 2, "picture.png is not utf-8 at byte offset 0 (0x89)"),
    (("train", "utf16.txt"), 2, "try --encoding utf-16"),
    (("train", "broken.txt.gz"), 2, "damaged gzip file"),
    (("train", "folder"), 1, "folder is a directory: name the text files in it"),
    (("train", "lamp.txt", "--encoding", "utf-9"), 2, "there is no text encoding utf-9"),
    (("train", "lamp.txt", "--encoding", "hex"), 2, "there is no text encoding hex"),
    ((*TRAIN, "--hidden-size", "0"), 2, "--hidden-size must be at least 1, not 0"),
    ((*TRAIN, "--hidden-size", "8,-1"), 2, "--hidden-size must be at least 1, not 8,-1"),
    ((*TRAIN, "--hidden-size", "x"), 2, "'x' is not a number"),
    ((*TRAIN, "--hidden-size", "1000000000"), 2, "must be at most 1,000,000"),
    ((*TRAIN, "--num-layers", "0"), 2, "'--num-layers': 0 is not in the range x>=1"),
    ((*TRAIN, "--batch-size", "0"), 2, "--batch-size must be at least 1, not 0"),
    ((*TRAIN, "--seq-length", "-3"), 2, "--seq-length must be at least 1, not -3"),
    ((*TRAIN, "--val-fraction", "1"), 2, "--val-fraction must be below 1, not 1.0"),
    ((*TRAIN, "--val-fraction", "nan"), 2, "--val-fraction must be 0 or more, not nan"),
    ((*TRAIN, "--val-fraction", "0.999"), 2, "training needs at least two characters"),
    ((*TRAIN, "--learning-rate", "nan"), 2, "--learning-rate must be 0 or more, not nan"),
    ((*TRAIN, "--learning-rate", "-1"), 2, "--learning-rate must be 0 or more, not -1.0"),
    ((*TRAIN, "--rng-seed", "-1"), 2, "'--rng-seed': -1 is not in the range x>=0"),
    ((*TRAIN, "--rng-seed", "1.5"), 2, "'1.5' is not a valid integer"),
    ((*TRAIN, "--steps", "0"), 2, "the run has no end"),
    ((*TRAIN, "--steps", "-1"), 2, "--steps must be 0 or more, not -1"),
    ((*TRAIN, "--cell", "rnn"), 2, "'rnn' is not one of 'gru', 'lstm', 'vanilla'"),
    ((*TRAIN, "--decay-factor", "0"), 2, "--decay-factor must be above 0 and at most 1, not 0.0"),
    ((*TRAIN, "--decay-factor", "1.5"), 2, "--decay-factor must be above 0 and at most 1, not 1.5"),
    ((*TRAIN, "--decay-every", "0"), 2, "--decay-every must be above 0"),
    ((*TRAIN, "--dropout", "1"), 2, "--dropout must be below 1, not 1.0"),
    ((*TRAIN, "--dropout", "-0.1"), 2, "--dropout must be 0 or more, not -0.1"),
    ((*TRAIN, "--weight-drop", "1.5"), 2, "--weight-drop must be below 1, not 1.5"),
    ((*TRAIN, "--tied"), 2, "--tied needs an embedding as wide as the last layer: --embedding-size"),
    ((*TRAIN, "--bptt-jitter", "-1"), 2, "--bptt-jitter must be 0 or more, not -1.0"),
    ((*TRAIN, "--patience", "-1"), 2, "--patience must be 0 or more, not -1"),
    ((*TRAIN, "--patience", "2", "--eval-every", "0"), 2, "--patience counts evaluations; it needs --eval-every"),
    ((*TRAIN, "--patience", "2", "--val-fraction", "0"), 2, "--patience counts evaluations; it needs --eval-every"),
    ((*TRAIN, "--recipe", "lists"), 2, "'lists' is not one of 'default', 'min-char-rnn', 'list'"),
    ((*TRAIN, "--init-from", "missing.npz"), 1, "no such checkpoint: 'missing.npz'"),
    ((*TRAIN, "--init-from", "truncated.npz"), 1, "truncated.npz"),
    ((*TRAIN, "--init-from", "good.npz"), 2, "the model of --init-from has --hidden-size 16; leave that option out"),
    ((*TRAIN, "--checkpoint", "good.npz"), 2, "good.npz exists; go on from it with --resume"),
    ((*TRAIN, "--checkpoint", "lamp.txt/run.npz"), 1, "lamp.txt"),
    ((*TRAIN, "--resume"), 1, "nothing to resume: no checkpoint in checkpoints/"),
    (("train", "--resume", "--checkpoint", "missing.npz"), 1, "no such checkpoint: 'missing.npz'"),
    (("train", "--resume", "--checkpoint", "truncated.npz"), 1, "truncated.npz"),
    ((*TRAIN, "-q", "--optimizer", "sgd", "--learning-rate", "1e38"), 1, "training diverged at step"),
    ((*TRAIN, "-q", "--optimizer", "adam", "--learning-rate", "1e300"), 1, "try a lower --learning-rate"),
    ((*TRAIN, "--step", "5", "--hiden-size", "8"), 2, "No such option"),
    ((*TRAIN, "--hiden-size", "8"), 2, "--hidden-size"),
    (("tran",), 2, "No such command 'tran'"),
    (("sample", "missing.npz"), 1, "no such checkpoint: 'missing.npz'"),
    (("sample", "truncated.npz"), 1, "truncated.npz"),
    (("sample", "flipped.npz"), 1, "flipped.npz"),
    (("sample", "empty.npz"), 1, "empty.npz"),
    (("sample", "text.npz"), 1, "not a charrnn checkpoint"),
    (("sample", "lamp.txt"), 1, "not a charrnn checkpoint"),
    (("sample", "folder"), 1, "folder"),
    ((*SAMPLE, "--seed", "LAMP 7"), 2, "characters the model never saw (5 in all): '7' (U+0037), 'A' (U+0041)"),
    ((*SAMPLE, "--seed", "7"), 2, "for random numbers use --rng-seed 7"),
    ((*SAMPLE, "--seed", "a\x1b[2J\nb"), 2, r"'\x1b' (U+001B)"),
    ((*SAMPLE, "--seed", "a\udcff"), 2, "U+DCFF"),
    ((*SAMPLE, "-n", "-5"), 2, "'--length': -5 is not in the range x>=-1"),
    ((*SAMPLE, "-n", "many"), 2, "'many' is not a valid integer"),
    ((*SAMPLE, "--temperature", "nan"), 2, "--temperature must be 0 or more, not nan"),
    ((*SAMPLE, "--temperature", "-1"), 2, "--temperature must be 0 or more, not -1.0"),
    ((*SAMPLE, "--temperature", "inf"), 2, "--temperature must be 0 or more, not inf"),
    ((*SAMPLE, "--top-p", "0"), 2, "--top-p must be above 0 and at most 1, not 0.0"),
    ((*SAMPLE, "--top-p", "nan"), 2, "--top-p must be above 0 and at most 1, not nan"),
    ((*SAMPLE, "--top-k", "-1"), 2, "-1 is not in the range x>=0"),
    ((*SAMPLE, "--min-p", "2"), 2, "--min-p must be from 0 (all) to 1, not 2.0"),
    ((*SAMPLE, "--temperature", "0.5,x"), 2, "'0.5,x' is not a number, nor numbers with commas between them"),
    ((*SAMPLE, "--temperature", "0.5,0.5"), 2, "--temperature has the same number twice"),
    ((*SAMPLE, "--seed", "“the"), 2, "(--unknown nearest writes what comes nearest instead)"),
    ((*SAMPLE, "--unknown", "nearby"), 2, "'nearby' is not one of 'error', 'skip', 'nearest'"),
    ((*SAMPLE, "--seed", "a", "--seed-file", "lamp.txt"), 2, "--seed and --seed-file are two texts"),
    ((*SAMPLE, "--seed-file", "empty.txt"), 2, "empty.txt is empty"),
    ((*SAMPLE, "--seed-file", "lamb.txt"), 2, "did you mean lamp.txt"),
    ((*SAMPLE, "--seed-file", "-"), 2, "- is empty"),
    ((*SAMPLE, "--seed-file", "picture.png"), 2, "picture.png is not utf-8 at byte offset 0"),
    ((*SAMPLE, "--stop", ""), 2, "--stop is empty"),
    (
        (*SAMPLE, "--stop", "the\\n"),
        2,
        "can never come: the model does not write '\\\\'; for a line end give a real one",
    ),
    ((*SAMPLE, "--allow", "leters"), 2, "leters is no class, did you mean letters?"),
    ((*SAMPLE, "--ban", "letters,space,newline,punctuation"), 2, "leave no character"),
    ((*SAMPLE, "--num", "0"), 2, "'--num': 0 is not in the range"),
    ((*SAMPLE, "--num", "2", "-n", "-1"), 2, "-n -1 writes one text without end"),
    ((*SAMPLE, "--interactive", "--json"), 2, "--interactive writes one text by turns"),
    ((*SAMPLE, "--interactive", "--seed-file", "-"), 2, "--interactive writes one text by turns"),
    ((*TRAIN, "--config", "missing.toml"), 1, "missing.toml cannot be read (No such file or directory)"),
    (("score",), 2, "Missing argument '[CHECKPOINT] TEXT...'"),
    (("score", "good.npz"), 2, "no text was given: name a file, a bundled text, or - for stdin"),
    (("score", "missing.npz", "lamp.txt"), 1, "no such checkpoint: 'missing.npz'"),
    (("score", "flipped.npz", "lamp.txt"), 1, "flipped.npz"),
    (("score", "text.npz", "lamp.txt"), 1, "not a charrnn checkpoint"),
    (("score", "good.npz", "missing.txt"), 2, "there is no text missing.txt"),
    (("score", "good.npz", "good.npz"), 2, "good.npz is not utf-8 at byte offset"),
    (("score", "good.npz", "empty.txt"), 2, "empty.txt is empty: give a text of at least one character"),
    (("score", "good.npz", "-"), 2, "- is empty"),
    (("score", "good.npz", "-", "-"), 2, "stdin can be read only once"),
    (("score", "good.npz", "folder"), 1, "folder is a directory"),
    (("score", "good.npz", "picture.png", "--by-line"), 2, "picture.png is not utf-8 at byte offset 0"),
    (("score", "good.npz", "lamp.txt", "--encoding", "utf-9"), 2, "there is no text encoding utf-9"),
    ((*TRAIN, "--yardsticks", "--val-fraction", "0"), 2, "--yardsticks needs a held-out part"),
    (("gradcheck", "missing.npz"), 1, "no such checkpoint: 'missing.npz'"),
    (("gradcheck", "good.npz", "--text", "missing.txt"), 2, "there is no text missing.txt"),
]


@pytest.mark.parametrize(
    ("arguments", "code", "words"), ROWS, ids=[" ".join(row[0])[:60].encode("unicode_escape").decode() for row in ROWS]
)
def test_a_mistake_ends_in_one_sentence_and_its_exit_code(
    trained: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    Path("folder").mkdir()
    for name in arguments:
        if name in FILES:
            Path(name).write_bytes(FILES[name])
        elif name in MODELS:
            Path(name).write_bytes(MODELS[name](trained.read_bytes()))
    if "lamb.txt" in arguments:
        Path("lamp.txt").touch()
    outcome = run_process(*arguments)
    assert (outcome.code, outcome.out) == (code, b"")
    lines = [line for line in outcome.error_lines if not line.startswith(("text  ", "model ", "train ", "speed "))]
    assert len(lines) == 1, outcome.err
    assert lines[0].startswith("charrnn: ")
    assert words in lines[0]
    assert lines[0].isprintable()


def test_a_checkpoint_that_may_not_be_read_or_written_is_one_sentence(charrnn: Charrnn, trained: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read and write everything")
    Path("locked").mkdir(mode=0o500)
    Path("secret.npz").write_bytes(trained.read_bytes())
    Path("secret.npz").chmod(0)
    Path("lamp.txt").write_bytes(FILES["lamp.txt"])
    for arguments in (["sample", "secret.npz"], ["train", "lamp.txt", "-q", "--checkpoint", "locked/run.npz"]):
        outcome = charrnn(*arguments)
        assert outcome.code == 1
        assert len(outcome.error_lines) == 1


def test_a_run_that_diverges_leaves_the_last_good_checkpoint(charrnn: Charrnn) -> None:
    Path("lamp.txt").write_bytes(FILES["lamp.txt"])
    options = ("--checkpoint", "run.npz", "--optimizer", "sgd", "--learning-rate", "1e38", "--save-every", "1")
    outcome = charrnn(*TRAIN, "-q", *options)
    assert outcome.code == 1
    assert re.search(r"loss .*, gradient norm .*, learning rate [\d.]+e\+3\d; try a lower", outcome.err)
    assert checkpoint.load("run.npz").progress.step < int(outcome.err.split("at step ")[1].split(":")[0])


def test_a_model_beyond_the_memory_is_one_sentence(
    charrnn: Charrnn, text_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(CharRNN, "initialize", refuse)
    outcome = charrnn("train", str(text_file))
    assert outcome.code == 1
    assert outcome.err == (
        "charrnn: there is not enough memory; try a smaller --hidden-size, --batch-size or --seq-length\n"
    )

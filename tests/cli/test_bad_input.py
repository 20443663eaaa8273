"""Whatever is given by mistake ends in one sentence that says what, where and what to do, and an exit code.

The worst mistakes, and whatever else goes wrong, are in tests/faults/test_every_case.py.
"""

from pathlib import Path

import pytest

from charrnn.nn.model import CharRNN
from tests.conftest import Charrnn
from tests.forking import Forks
from tests.mistakes import SAMPLE, TRAIN, check_refusal, lay_out

# Arguments -> exit code, and words that the one line must have.
ROWS: list[tuple[tuple[str, ...], int, str]] = [
    (("train", "missing.txt"), 2, "there is no text missing.txt: name a file, or one of the bundled texts: "),
    (("train", "lamb.txt"), 2, "did you mean lamp.txt"),
    (("train", "broken.txt.gz"), 2, "damaged gzip file"),
    ((*TRAIN, "--hidden-size", "x"), 2, "expected a number or a comma-separated list, got 'x'"),
    (
        (*TRAIN, "--hidden-size", "1000000000"),
        2,
        "a gru of 1,000,000,000 units over 18 symbols, batch 2 × seq 10, needs about 84 EB",
    ),
    ((*TRAIN, "--num-layers", "0"), 2, "'--num-layers': 0 is not in the range x>=1"),
    ((*TRAIN, "--val-fraction", "1"), 2, "--val-fraction must be below 1, not 1.0"),
    ((*TRAIN, "--val-fraction", "nan"), 2, "--val-fraction must be a finite number, not nan"),
    ((*TRAIN, "--val-fraction", "0.999"), 2, "training needs at least two characters"),
    ((*TRAIN, "--learning-rate", "nan"), 2, "--learning-rate must be a finite number, not nan"),
    ((*TRAIN, "--learning-rate", "-1"), 2, "--learning-rate must be 0 or more, not -1.0"),
    ((*TRAIN, "--steps", "0"), 2, "the run would never end: set --steps, --epochs or --minutes"),
    ((*TRAIN, "--steps", "-1"), 2, "--steps must be 0 or more, not -1"),
    ((*TRAIN, "--cell", "rnn"), 2, "'rnn' is not one of 'gru', 'lstm', 'vanilla'"),
    ((*TRAIN, "--decay-factor", "0"), 2, "--decay-factor must be above 0, not 0.0"),
    ((*TRAIN, "--decay-factor", "1.5"), 2, "--decay-factor must be at most 1, not 1.5"),
    ((*TRAIN, "--decay-every", "0"), 2, "--decay-every must be above 0"),
    ((*TRAIN, "--dropout", "1"), 2, "--dropout must be below 1, not 1.0"),
    ((*TRAIN, "--dropout", "-0.1"), 2, "--dropout must be 0 or more, not -0.1"),
    ((*TRAIN, "--weight-drop", "1.5"), 2, "--weight-drop must be below 1, not 1.5"),
    ((*TRAIN, "--tied"), 2, "--tied needs an embedding as wide as the last layer: --embedding-size"),
    ((*TRAIN, "--bptt-jitter", "-1"), 2, "--bptt-jitter must be 0 or more, not -1.0"),
    ((*TRAIN, "--patience", "-1"), 2, "--patience must be 0 or more, not -1"),
    ((*TRAIN, "--patience", "2", "--eval-every", "0"), 2, "--patience counts evaluations; it needs --eval-every"),
    ((*TRAIN, "--patience", "2", "--val-fraction", "0"), 2, "--patience counts evaluations; it needs --eval-every"),
    ((*TRAIN, "--recipe", "lists"), 2, "'lists' is not one of 'default', 'deep', 'items', 'min-char-rnn', 'list'"),
    ((*TRAIN, "--separator", "|"), 2, "the text does not contain the separator '|', so it is a single item"),
    ((*TRAIN, "--separator", r"\n\n"), 2, r"the text does not contain the separator '\n\n', so it is a single item"),
    (
        (*TRAIN, "--separator", "|", "--by-line"),
        2,
        "--by-line and --separator both divide the text into items; give one",
    ),
    ((*TRAIN, "--checkpoint", "lamp.txt", "--overwrite"), 2, "lamp.txt ends in .txt: name a file that ends in .npz"),
    ((*TRAIN, "--checkpoint", "a-best.npz"), 2, "names that end in -best.npz or -step-400.npz are for the best model"),
    (
        ("train", "lamp.txt", "--init-from", "good.npz", "--tied"),
        2,
        "the model of --init-from is not --tied; drop that option",
    ),
    (
        ("train", "lamp.txt", "--init-from", "good.npz", "--num-layers", "2"),
        2,
        "has --hidden-size 16; drop that option",
    ),
    ((*TRAIN, "--init-from", "missing.npz"), 1, "no such checkpoint: 'missing.npz'"),
    ((*TRAIN, "--init-from", "truncated.npz"), 1, "truncated.npz"),
    ((*TRAIN, "--init-from", "good.npz"), 2, "the model of --init-from has --hidden-size 16; drop that option"),
    ((*TRAIN, "--resume"), 1, "nothing to resume: no checkpoint in checkpoints/"),
    (("train", "--resume", "--checkpoint", "missing.npz"), 1, "no such checkpoint: 'missing.npz'"),
    (("train", "--resume", "--checkpoint", "truncated.npz"), 1, "truncated.npz"),
    ((*TRAIN, "-q", "--optimizer", "adam", "--learning-rate", "1e300"), 1, "try a lower --learning-rate"),
    ((*TRAIN, "--step", "5", "--hiden-size", "8"), 2, "No such option"),
    ((*TRAIN, "--hiden-size", "8"), 2, "--hidden-size"),
    (("tran",), 2, "No such command 'tran'"),
    ((*SAMPLE, "--seed", "7"), 2, "for random numbers use --rng-seed 7"),
    ((*SAMPLE, "--seed", "a\x1b[2J\nb"), 2, r"'\x1b' (U+001B)"),
    ((*SAMPLE, "-n", "-5"), 2, "--length must be at least -1, not -5"),
    ((*SAMPLE, "-n", "many"), 2, "'many' is not a valid integer"),
    ((*SAMPLE, "--top-p", "0"), 2, "--top-p must be above 0, not 0.0"),
    ((*SAMPLE, "--top-p", "nan"), 2, "--top-p must be a finite number, not nan"),
    ((*SAMPLE, "--top-k", "-1"), 2, "--top-k must be 0 or more, not -1"),
    ((*SAMPLE, "--min-p", "2"), 2, "--min-p must be at most 1, not 2.0"),
    ((*SAMPLE, "--temperature", "0.5,x"), 2, "expected a number or a comma-separated list, got '0.5,x'"),
    ((*SAMPLE, "--temperature", "0.5,0.5"), 2, "--temperature has the same number twice"),
    ((*SAMPLE, "--seed", "“the"), 2, "(--unknown nearest replaces them by similar ones)"),
    ((*SAMPLE, "--unknown", "nearby"), 2, "'nearby' is not one of 'error', 'skip', 'nearest'"),
    ((*SAMPLE, "--seed", "a", "--seed-file", "lamp.txt"), 2, "--seed and --seed-file both give a seed text"),
    ((*SAMPLE, "--seed-file", "empty.txt"), 2, "empty.txt is empty"),
    ((*SAMPLE, "--seed-file", "lamb.txt"), 2, "did you mean lamp.txt"),
    ((*SAMPLE, "--seed-file", "-"), 2, "stdin is empty"),
    ((*SAMPLE, "--seed-file", "picture.png"), 2, "picture.png is not text, it looks like an image"),
    ((*SAMPLE, "--stop", ""), 2, "--stop is empty"),
    ((*SAMPLE, "--stop", "the\\x"), 2, "can never appear: the model does not write '\\\\'"),
    ((*SAMPLE, "--match", "a"), 2, "--match picks items, and this model writes running text"),
    ((*SAMPLE, "--model", "good.npz"), 2, "CHECKPOINT and --model both name a model"),
    ((*SAMPLE, "--interactive", "--output", "talk.txt"), 2, "--interactive writes one text"),
    ((*SAMPLE, "--allow", "leters"), 2, "unknown class 'leters' (did you mean letters?)"),
    ((*SAMPLE, "--ban", "letters,space,newline,punctuation"), 2, "no character is left to write"),
    ((*SAMPLE, "--num", "0"), 2, "--num must be at least 1, not 0"),
    ((*SAMPLE, "--num", "2", "-n", "-1"), 2, "--length -1 writes one text without end"),
    ((*SAMPLE, "--interactive", "--json"), 2, "--interactive writes one text"),
    ((*SAMPLE, "--interactive", "--seed-file", "-"), 2, "--interactive writes one text"),
    ((*TRAIN, "--config", "missing.toml"), 1, "missing.toml cannot be read (No such file or directory)"),
    (("score",), 2, "Missing argument '[CHECKPOINT] TEXT...'"),
    (("score", "good.npz"), 2, "no text was given: name a file, a folder, a bundled text, or - for stdin"),
    (("score", "missing.npz", "lamp.txt"), 1, "no such checkpoint: 'missing.npz'"),
    (("score", "flipped.npz", "lamp.txt"), 1, "flipped.npz"),
    (("score", "text.npz", "lamp.txt"), 1, "not a charrnn checkpoint"),
    (("score", "good.npz", "missing.txt"), 2, "there is no text missing.txt"),
    (("score", "good.npz", "good.npz"), 2, "good.npz is not text, it looks like a checkpoint"),
    (("score", "good.npz", "empty.txt"), 2, "empty.txt is empty: give a text of at least one character"),
    (("score", "good.npz", "-"), 2, "stdin is empty"),
    (("score", "good.npz", "-", "-"), 2, "stdin can be read only once"),
    (("score", "good.npz", "folder"), 2, "folder is a folder without a text file"),
    (("score", "good.npz", "picture.png", "--by-line"), 2, "picture.png is not text, it looks like an image"),
    (("score", "good.npz", "lamp.txt", "--encoding", "utf-9"), 2, "there is no text encoding utf-9"),
    ((*TRAIN, "--yardsticks", "--val-fraction", "0"), 2, "--yardsticks needs a held-out part"),
    (("view", "missing.npz", "lamp.txt"), 1, "no such checkpoint: 'missing.npz'"),
    (("view", "good.npz", "missing.txt"), 2, "there is no text missing.txt"),
    (("view", "good.npz", "empty.txt"), 2, "empty.txt is empty: give a text of at least one character"),
    (("view", "good.npz", "picture.png"), 2, "picture.png is not text, it looks like an image"),
    (("view", "good.npz", "lamp.txt", "-n", "0"), 2, "'--length': 0 is not in the range x>=1"),
    (
        ("view", "-q", "good.npz", "lamp.txt", "-o", "folder/in/view.html"),
        1,
        "cannot write folder/in/view.html: No such",
    ),
    (
        ("view", "good.npz", "lamp.txt", "-o", "lamp.txt"),
        2,
        "--output lamp.txt ends in .txt: name a file that ends in",
    ),
    (("export", "missing.npz"), 1, "no such checkpoint: 'missing.npz'"),
    (("export", "flipped.npz"), 1, "flipped.npz"),
    (("export", "good.npz", "-o", "good.npz"), 2, "--output good.npz ends in .npz: name a file that ends in .html"),
    (
        ("export", "good.npz", "-o", "model"),
        2,
        "--output model has no ending: name a file that ends in .html or .safetensors or .onnx or .json",
    ),
    (("export", "good.npz", "-o", "model.pt"), 2, "--output model.pt ends in .pt: name a file that ends in .html or"),
    (("export", "-q", "good.npz", "-o", "folder/in/model.json"), 1, "cannot write folder/in/model.json: No such"),
    (("plot", "missing.npz"), 1, "no such checkpoint: 'missing.npz'"),
    (("plot", "truncated.npz"), 1, "truncated.npz"),
    (("plot", "missing.log.jsonl"), 1, "the log missing.log.jsonl cannot be read: No such file or directory"),
    (("plot", "lamp.txt"), 1, "lamp.txt is not the log of a run"),
    (("plot", "picture.png"), 1, "picture.png is not the log of a run"),
    (("plot", "empty.txt"), 1, "empty.txt is not the log of a run"),
    (("plot", "folder"), 1, "the log folder cannot be read: it is not a regular file"),
    (
        ("plot", "good.npz", "-q", "-o", "loss.pdf"),
        2,
        "--output loss.pdf ends in .pdf: name a file that ends in .svg",
    ),
    (("plot", "good.npz", "-q", "-o", "missing/loss.svg"), 1, "cannot write missing/loss.svg: No such file"),
    (("plot", "good.npz", "-q", "-o", "folder.svg"), 1, "cannot write folder.svg: it exists and is not a regular file"),
    (("info", "missing.npz"), 1, "no such checkpoint: 'missing.npz'"),
    (("info", "flipped.npz"), 1, "flipped.npz"),
    (("info", "lamp.txt"), 1, "not a charrnn checkpoint"),
    (("gradcheck", "missing.npz"), 1, "no such checkpoint: 'missing.npz'"),
    (("gradcheck", "good.npz", "--text", "missing.txt"), 2, "there is no text missing.txt"),
]


@pytest.mark.parametrize(
    ("arguments", "code", "words"), ROWS, ids=[" ".join(row[0])[:60].encode("unicode_escape").decode() for row in ROWS]
)
def test_a_mistake_ends_in_one_sentence_and_its_exit_code(
    forks: Forks, trained: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    lay_out(arguments, trained.read_bytes())
    if "lamb.txt" in arguments:
        Path("lamp.txt").touch()
    check_refusal(forks, arguments, code, words)


def test_a_model_beyond_the_memory_is_one_sentence(
    charrnn: Charrnn, text_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(CharRNN, "initialize", refuse)
    outcome = charrnn("train", str(text_file))
    assert outcome.code == 1
    assert outcome.err == ("charrnn: not enough memory; try a smaller --hidden-size, --batch-size or --seq-length\n")

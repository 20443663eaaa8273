"""Every option that a command's help shows is run here, and does what it says."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest

from charrnn import checkpoint
from charrnn.cli import main
from charrnn.cli.help import _ALSO_CALLED, suggest
from charrnn.config import RECIPES
from charrnn.paths import kept_states
from charrnn.version import __version__
from tests.conftest import TINY, Charrnn, Outcome

TEXT = "TEXT"  # stands for the text's path
MODEL = "MODEL"  # stands for the checkpoint's


@dataclass(frozen=True)
class Example:
    """One option in use: what follows the command's usual arguments, and what shows that it worked."""

    arguments: tuple[str, ...]
    worked: Callable[[Outcome], object]


def learned(**expected: Any) -> Callable[[Outcome], object]:
    """The checkpoint that the run left has this in its configuration."""

    def worked(_: Outcome) -> bool:
        config = checkpoint.load("run.npz").config
        return {name: config[name] for name in expected} == expected

    return worked


def err(words: str) -> Callable[[Outcome], object]:
    return lambda outcome: words in outcome.err


def out(words: bytes) -> Callable[[Outcome], object]:
    return lambda outcome: words in outcome.out


HELP = {"-h": Example(("-h",), out(b"Usage: ")), "--help": Example(("--help",), out(b"Usage: "))}
QUIET = {
    "-q": Example(("-q",), lambda outcome: outcome.err == ""),
    "--quiet": Example(("--quiet",), lambda outcome: outcome.err == ""),
}
GROUP = {**HELP, "--version": Example(("--version",), out(f"charrnn {__version__}\n".encode()))}
TRAIN = {
    **HELP,
    **QUIET,
    "--recipe": Example(("--recipe", "min-char-rnn"), learned(cell="vanilla", clip_value=5.0, reduction="sum")),
    "--cell": Example(("--cell", "vanilla"), learned(cell="vanilla")),
    "--hidden-size": Example(("--hidden-size", "6,5"), learned(hidden_sizes=[6, 5])),
    "--num-layers": Example(("--num-layers", "3"), learned(hidden_sizes=[8, 8, 8])),
    "--embedding-size": Example(("--embedding-size", "3"), err("embedding 3 input")),
    "--tied": Example(("--embedding-size", "8", "--tied"), learned(tied=True)),
    "--init-std": Example(("--init-std", "0.01"), learned(init_std=0.01)),
    "--dtype": Example(("--dtype", "float64"), err("parameters in float64")),
    "--by-line": Example(("--by-line",), learned(separator="\n")),
    "--separator": Example(("--separator", "the "), err("symbols, 21 items (")),
    "--unique": Example(("--by-line", "--unique"), learned(unique=True)),
    "--strip-gutenberg": Example(("--strip-gutenberg",), learned(strip_gutenberg=True)),
    "--val-fraction": Example(("--val-fraction", "0.5"), err("327 characters to train on, 327 held out")),
    "--batch-size": Example(("--batch-size", "3"), err("batch 3 × seq 10")),
    "--seq-length": Example(("--seq-length", "7"), err("batch 2 × seq 7")),
    "--bptt-jitter": Example(("--bptt-jitter", "2.5"), learned(bptt_jitter=2.5)),
    "--optimizer": Example(("--optimizer", "adam"), err("adam 0.004")),
    "--learning-rate": Example(("--learning-rate", "0.03"), err("adagrad 0.03")),
    "--schedule": Example(("--schedule", "constant"), err("adagrad 0.15 constant")),
    "--schedule-steps": Example(("--schedule-steps", "9"), learned(schedule_steps=9)),
    "--warmup-steps": Example(("--warmup-steps", "2"), learned(warmup_steps=2)),
    "--decay-factor": Example(("--schedule", "step", "--decay-factor", "0.9"), learned(decay_factor=0.9)),
    "--decay-every": Example(("--schedule", "step", "--decay-every", "0.1"), learned(decay_every=0.1)),
    "--dropout": Example(("--dropout", "0.25"), learned(dropout=0.25)),
    "--locked-dropout": Example(("--dropout", "0.25", "--locked-dropout"), learned(locked_dropout=True)),
    "--weight-drop": Example(("--weight-drop", "0.25"), learned(weight_drop=0.25)),
    "--clip-value": Example(("--clip-value", "0.5"), learned(clip_value=0.5)),
    "--clip-norm": Example(("--clip-norm", "0.5"), learned(clip_norm=0.5)),
    "--reduction": Example(("--reduction", "sum"), learned(reduction="sum")),
    "--accumulate": Example(("--accumulate", "3"), err("train  3 × batch 2 × seq 10")),
    "--rng-seed": Example(("--rng-seed", "7"), learned(rng_seed=7)),
    "--threads": Example(("--threads", "2"), learned(threads=2)),
    "--steps": Example(("--steps", "5"), err("done at step 5")),
    "--epochs": Example(("--steps", "0", "--epochs", "0.2"), err("done at step 6")),
    "--average": Example(("--average", "50"), learned(average=50)),
    "--minutes": Example(("--steps", "0", "--minutes", "0.01"), err("constant, 0.01 min")),
    "--patience": Example(
        ("--steps", "300", "--eval-every", "1", "--learning-rate", "3", "--patience", "1"),
        err("out of patience at step"),
    ),
    "--eval-every": Example(("--eval-every", "2"), err("step 2: held out")),
    "--sample-every": Example(("--sample-every", "3"), err("a sample after 3 steps")),
    "--sample-length": Example(("--sample-length", "0"), err("a sample after 0 steps ──\n\n\n")),
    "--save-every": Example(("--save-every", "1"), learned(save_every=1)),
    "--keep": Example(("--save-every", "1", "--keep", "2"), lambda _: kept_states(Path("run.npz")) == [3, 4]),
    "--encoding": Example(("--encoding", "latin-1"), lambda _: checkpoint.load("run.npz").corpus.encoding == "latin-1"),
    "--errors": Example(("--errors", "replace"), lambda _: checkpoint.load("run.npz").corpus.errors == "replace"),
    "--normalize": Example(("--normalize", "nfc"), lambda _: checkpoint.load("run.npz").corpus.normalize == "nfc"),
    "--max-vocab": Example(("--max-vocab", "9"), err("lamp: 10 symbols")),
    "--checkpoint": Example(("--checkpoint", "mine.npz"), lambda _: Path("mine.npz").exists()),
    "--overwrite": Example(("--checkpoint", MODEL, "--overwrite"), err("done at step 4; saved old.npz")),
    "--init-from": Example(
        ("--hidden-size", "16", "--init-from", MODEL), err("starts from old.npz: 22 of 22 characters")
    ),
    "--config": Example(("--config", "run.toml"), learned(val_fraction=0.2, seq_length=10, minutes=5)),
    "--resume": Example(("--checkpoint", MODEL, "--resume", "--steps", "63"), err("resuming old.npz at step 60")),
    "--allow-new-text": Example(
        (TEXT, TEXT, "--checkpoint", MODEL, "--resume", "--steps", "63", "--allow-new-text"),
        err("continues on another text: lamp, from its beginning"),
    ),
    "--json": Example(
        ("--json",), lambda outcome: outcome.out == Path("run.log.jsonl").read_bytes() and b'"end"' in outcome.out
    ),
    "--dry-run": Example(("--dry-run",), out(b"saves  to run.npz")),
    "--yardsticks": Example(("--yardsticks",), out(b"on 65 characters")),
}
SAMPLE = {
    **HELP,
    **QUIET,
    "--seed": Example(("--seed", "the lamp"), lambda outcome: outcome.out.startswith(b"the lamp")),
    "--prompt": Example(("--prompt", "the lamp"), lambda outcome: outcome.out.startswith(b"the lamp")),
    "--seed-file": Example(
        ("--seed-file", TEXT), lambda outcome: outcome.out.startswith(Path("lamp.txt").read_bytes())
    ),
    "--encoding": Example(
        ("--seed-file", TEXT, "--encoding", "utf-16-le", "--unknown", "skip"), err("not known to the model: left out")
    ),
    "--unknown": Example(
        ("--seed", "THE “round”", "--unknown", "nearest"), lambda outcome: outcome.out.startswith(b"the round")
    ),
    "-i": Example(("-i",), lambda outcome: outcome.out == b""),
    "--interactive": Example(
        ("--interactive", "--seed", "the"), lambda outcome: outcome.out.startswith(b"the") and len(outcome.out) > 3
    ),
    "--temperature": Example(("--temperature", "0.0"), lambda outcome: len(set(outcome.out)) < 15),
    "--top-k": Example(("--top-k", "1"), lambda outcome: len(set(outcome.out)) < 15),
    "--top-p": Example(("--top-p", "1e-9"), lambda outcome: len(set(outcome.out)) < 15),
    "--min-p": Example(("--min-p", "1"), lambda outcome: len(set(outcome.out)) < 15),
    "--allow": Example(("--allow", "ae", "--allow", "newline"), lambda outcome: set(outcome.out) <= set(b"ae\n")),
    "--ban": Example(("--ban", "space", "--ban", "te"), lambda outcome: not set(outcome.out) & set(b" te")),
    "-t": Example(("-t", "0.0"), lambda outcome: len(set(outcome.out)) < 15),
    "--novel": Example(("--novel", "3"), lambda outcome: b"lamp" not in outcome.out),
    "--match": Example(("--match", "^[a-t]"), err(" to find it")),
    "--tries": Example(("--match", "[a-z]", "--tries", "99"), err(" to find it")),
    "-m": Example(("-m", MODEL), err("old.npz: ")),
    "--model": Example(("--model", MODEL), err("old.npz: ")),
    "-o": Example(("-o", "out.txt"), lambda _: len(Path("out.txt").read_bytes()) == 300),
    "--output": Example(("--output", "out.txt"), err("wrote out.txt")),
    "--rng-seed": Example(("--rng-seed", "7"), err(", --rng-seed 7")),
    "--raw": Example(("--raw",), lambda outcome: len(outcome.out) == 300),
    "-n": Example(("-n", "3"), lambda outcome: len(outcome.out) == 3),
    "--length": Example(("--length", "4"), lambda outcome: len(outcome.out) == 4),
    "--lines": Example(
        ("--lines", "3", "-n", "9000"), lambda outcome: outcome.out.count(b"\n") == 3 and outcome.out.endswith(b"\n")
    ),
    "--stop": Example(
        ("--stop", "e", "--stop", "a"), lambda outcome: not set(outcome.out) & set(b"ea") and len(outcome.out) < 300
    ),
    "--num": Example(("--num", "3", "--rng-seed", "7"), out("── --rng-seed 9 ──\n".encode())),
    "--no-echo": Example(("--seed", "the lamp", "--no-echo"), lambda outcome: len(outcome.out) == 300),
    "--json": Example(("--json",), lambda outcome: len(json.loads(outcome.out)["log_probs"]) == 300),
    "--report": Example(("--report",), err("copied: at most ")),
}
SCORE = {
    **HELP,
    **QUIET,
    "--by-line": Example(("--by-line",), lambda outcome: outcome.out.count(b"\n") == 12),
    "--windows": Example(("--windows", "20"), out(b"the model, windows of 20 ")),
    "--encoding": Example(("--encoding", "utf-16-le"), out(b"unseen in training: ")),
    "--errors": Example(("--errors", "replace", "--encoding", "ascii"), out(b"on 654 characters")),
    "--json": Example(("--json",), lambda outcome: json.loads(outcome.out)["characters"] == 654),
}
GRADCHECK = {
    **HELP,
    "-q": Example((MODEL, "--text", TEXT, "-q"), lambda outcome: outcome.out == b""),
    "--quiet": Example((MODEL, "--text", TEXT, "--quiet"), lambda outcome: outcome.out == b""),
    "--text": Example((MODEL, "--text", TEXT), out(b" gradients are right (complex step")),
    "--rng-seed": Example((MODEL, "--text", TEXT, "--rng-seed", "7"), out(b" gradients are right (complex step")),
    "--json": Example(
        (MODEL, "--text", TEXT, "--json"),
        lambda outcome: all(json.loads(line)["passed"] for line in outcome.out.splitlines()),
    ),
}
VIEW = {
    **HELP,
    **QUIET,
    "-o": Example(("-o", "other.html"), lambda _: Path("other.html").stat().st_size > 10_000),
    "--output": Example(("--output", "other.htm"), lambda _: Path("other.htm").stat().st_size > 10_000),
    "-n": Example(("-n", "7"), err("shows the first 7 of 654 characters")),
    "--length": Example(("--length", "8"), err("shows the first 8 of 654 characters")),
    "--encoding": Example(("--encoding", "latin-1"), err("wrote view.html (")),
}
EXPORT = {
    **HELP,
    **QUIET,
    "-o": Example(("-o", "other.html"), lambda _: Path("other.html").stat().st_size > 10_000),
    "--output": Example(("--output", "other.json"), err("wrote other.json (")),
}
PLOT = {
    **HELP,
    **QUIET,
    "-o": Example(("-o", "loss.svg"), lambda _: b"<svg" in Path("loss.svg").read_bytes()),
    "--output": Example(("--output", "loss.svg"), lambda _: b"<svg" in Path("loss.svg").read_bytes()),
}
LIST = {**HELP, "--json": Example(("--json",), out(b'"name": "old"'))}
INFO = {**HELP, "--json": Example(("--json",), lambda outcome: json.loads(outcome.out)["step"] == 60)}
CACHE = {
    **HELP,
    "--clear": Example(("--clear",), out(b"no cached texts in ")),
    "--json": Example(("--json",), lambda outcome: outcome.out == b""),
}
EXAMPLES = {
    "": GROUP,
    "train": TRAIN,
    "sample": SAMPLE,
    "score": SCORE,
    "view": VIEW,
    "export": EXPORT,
    "plot": PLOT,
    "list": LIST,
    "info": INFO,
    "gradcheck": GRADCHECK,
    "cache": CACHE,
    "completion": HELP,
    "help": HELP,
}
USUAL = {
    "": (),
    "train": (*TINY, TEXT, "--steps", "4"),
    "sample": (MODEL, "-n", "300"),
    "score": (MODEL, TEXT),
    "plot": (MODEL,),
    "list": (),
    "info": (MODEL,),
    "gradcheck": (),
    "cache": (),
    "completion": (),
    "help": (),
    "view": (MODEL, TEXT),
    "export": (MODEL,),
}


def spellings(command: str) -> set[str]:
    """Every way to write every option of a command, as its help shows them."""
    shown = main.charrnn.commands[command] if command else main.charrnn
    context = main.charrnn.make_context("charrnn", [], resilient_parsing=True)
    options = [param for param in shown.get_params(context) if param.param_type_name == "option"]
    return {"-h", *(spelling for option in options for spelling in (*option.opts, *option.secondary_opts))}


@pytest.mark.parametrize("command", EXAMPLES)
def test_every_option_of_the_help_has_an_example_here(command: str) -> None:
    assert set(EXAMPLES[command]) == spellings(command)


def every_example() -> Iterator[Any]:
    for command, examples in EXAMPLES.items():
        for spelling, example in examples.items():
            yield pytest.param(command, example, id=f"{command} {spelling}".strip())


@pytest.mark.parametrize(("command", "example"), list(every_example()))
def test_every_option_does_what_it_says(
    charrnn: Charrnn, command: str, example: Example, trained: Path, text_file: Path
) -> None:
    Path("old.npz").write_bytes(trained.read_bytes())
    Path("lamp.txt").write_bytes(text_file.read_bytes())
    Path("run.toml").write_text("bptt-jitter = 0\nval_fraction = 0.2\nseq-length = 9\nminutes = 5\n")
    usual = USUAL[command]
    if command == "train" and "--checkpoint" not in example.arguments:
        usual = (*usual, "--checkpoint", "run.npz")
    if example.arguments[:1] == ("--recipe",):
        usual = (TEXT, "--steps", "1", "--checkpoint", "run.npz")
    if "--resume" in example.arguments:
        usual = ()
    if "--match" in example.arguments:
        assert charrnn("train", "lamp.txt", *TINY, "--by-line", "--steps", "4", "--checkpoint", "lines.npz").code == 0
        usual = ("lines", "-n", "9000")
    if "-m" in example.arguments or "--model" in example.arguments:
        usual = ("-n", "300")
    named = {TEXT: str(text_file), MODEL: "old.npz"}
    arguments = [named.get(argument, argument) for argument in (*usual, *example.arguments)]
    outcome = charrnn(*([command] if command else []), *arguments)
    assert outcome.code == 0, outcome.err
    assert example.worked(outcome), outcome


def test_the_list_of_recipes_says_what_each_reaches_and_trains_nothing(charrnn: Charrnn) -> None:
    outcome = charrnn("train", "--recipe", "list")
    assert (outcome.code, outcome.err) == (0, "")
    lines = outcome.out.decode().splitlines()
    assert [line.split()[0] for line in lines] == list(RECIPES)
    assert all(recipe.reaches in line for recipe, line in zip(RECIPES.values(), lines, strict=True))
    assert not list(Path().iterdir())


@pytest.mark.parametrize("command", [command for command in EXAMPLES if command])
def test_the_help_ends_with_an_example_that_names_real_options(charrnn: Charrnn, command: str) -> None:
    example = charrnn(command, "--help").out.decode().rsplit("Example: ", 1)[1].split()
    assert example[:2] == ["charrnn", command]
    assert {word for word in example if word.startswith("-")} <= spellings(command)


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("train --lr 1", "No such option '--lr'. Did you mean '--learning-rate'? (see"),
        ("train --hidden_size 9", "No such option '--hidden_size'. Did you mean '--hidden-size'? (see"),
        ("train -rnn_size 9", "No such option '-rnn_size'. Did you mean '--hidden-size'? (see"),
        ("train --seed 1", "No such option '--seed'. Did you mean '--rng-seed'? (see"),
        ("train --block_size=9", "No such option '--block_size'. Did you mean '--seq-length'? (see"),
        ("train --gpu 0", "No such option '--gpu' (charrnn runs on the CPU) (see"),
        ("train --data_dir x", "No such option '--data_dir' (the text needs no option: charrnn train TEXT) (see"),
        ("train --hiden-size 9", "No such option '--hiden-size'. Did you mean '--hidden-size'? (see"),
        ("train --layer-cake", "No such option '--layer-cake' (see"),
        ("sample -primetext The", "No such option '-primetext'. Did you mean '--seed'? (see"),
        ("sample --num_samples 3", "No such option '--num_samples'. Did you mean '--num'? (see"),
        ("sample --checkpoint x.npz", "No such option '--checkpoint'. Did you mean '--model'? (see"),
    ],
)
def test_an_option_of_another_program_leads_to_the_one_that_does_the_same(
    charrnn: Charrnn, typed: str, answer: str
) -> None:
    outcome = charrnn(*typed.split())
    assert outcome.code == 2
    assert outcome.err.startswith(f"charrnn: {answer}")


def test_what_other_programs_call_an_option_is_no_option_here_and_leads_to_one_that_is() -> None:
    options = {command: {spelling[2:] for spelling in spellings(command)} for command in ("train", "sample")}
    for option, names in _ALSO_CALLED.items():
        commands = [command for command, known in options.items() if option in known]
        assert commands, option
        for command in commands:
            assert all(suggest(name, options[command])[:1] in ([name], [option]) for name in names.split())


def test_the_help_shows_the_defaults_of_the_configuration(charrnn: Charrnn) -> None:
    words = " ".join(charrnn("train", "--help").out.decode().split())
    for option, default in (("hidden-size", "384"), ("batch-size", "16"), ("clip-norm", "5"), ("cell", "gru")):
        assert f"[default: {default}]" in words.split(f"--{option} ", 1)[1].split(" --", 1)[0]


def test_the_environment_can_give_an_option(charrnn: Charrnn, trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARRNN_SAMPLE_LENGTH", "6")
    assert len(charrnn("sample", str(trained)).out) == 6
    assert len(charrnn("sample", str(trained), "-n", "2").out) == 2
    monkeypatch.setenv("CHARRNN_SAMPLE_STOP", "a lamp\nt")  # several are lines
    assert b"t" not in charrnn("sample", str(trained)).out


@pytest.mark.parametrize("command", [command for command in EXAMPLES if command])
def test_every_option_can_be_given_in_the_environment_by_the_name_of_its_flag(command: str) -> None:
    for option in main.charrnn.commands[command].params:
        if isinstance(option, click.Option):
            flags = [flag.removeprefix("--").replace("-", "_").upper() for flag in option.opts if flag[:2] == "--"]
            assert option.envvar == [f"CHARRNN_{command.upper()}_{flag}" for flag in flags]


def test_a_flag_in_the_environment_is_on(charrnn: Charrnn, trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARRNN_SAMPLE_JSON", "1")
    assert json.loads(charrnn("sample", str(trained), "-n", "3").out)["ended"] == "length"


def test_num_layers_must_fit_the_hidden_sizes(charrnn: Charrnn, text_file: Path) -> None:
    outcome = charrnn("train", str(text_file), "--hidden-size", "8,4", "--num-layers", "3")
    assert outcome.code == 2
    assert outcome.err == "charrnn: --num-layers 3 does not fit the 2 sizes of --hidden-size\n"
    fits = charrnn("train", str(text_file), "--hidden-size", "8,4", "--num-layers", "2", "--steps", "1")
    assert fits.code == 0

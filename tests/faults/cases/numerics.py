"""Cases 58 to 70: numbers."""

import json
import math
import re

from charrnn import checkpoint
from tests.faults.cases.desk import SAMPLE, TRAIN, Case, Desk, Story, filters, options


def enormous_scores(*names: str) -> Story:
    """A model whose scores are near the largest numbers there are is sampled from and scored without a warning."""

    def story(desk: Desk) -> None:
        for name in names:
            assert len(desk.do("sample", name, "-n", "20").out) == 20
            scored = desk.do("score", name, "lamp.txt", "--json").out
            assert math.isfinite(json.loads(scored)["nats_per_char"])

    return story


def diverged(desk: Desk) -> None:
    wild = (*TRAIN, "-q", "--optimizer", "sgd", "--learning-rate", "1e38", "--save-every", "1")
    outcome = desk.refuse(wild, 1, "training diverged at step")
    said = (
        r"its update made weights that are not finite, learning rate [\d.]+e\+3\d, halved 5 times already; try a lower"
    )
    assert re.search(said, outcome.err)
    assert checkpoint.load("run.npz").progress.step < int(outcome.err.split("at step ")[1].split(":")[0])


def an_alarming_loss(desk: Desk) -> None:
    wild = ("--optimizer", "sgd", "--learning-rate", "30", "--clip-norm", "0", "--steps", "20", "--batch-size", "1")
    said = desk.do(*TRAIN, *wild).err
    assert len(re.findall(r"warning: the loss at step \d+ is .*, over three times that of guessing", said)) == 1


def temperatures_that_work(desk: Desk) -> None:
    best = desk.do(*SAMPLE, "--temperature", "0").out
    assert desk.do(*SAMPLE, "--temperature", "1e-300").out == best


def seeds_that_work(desk: Desk) -> None:
    for seed in (2**32, 2**128):
        desk.do(*SAMPLE, "--rng-seed", str(seed))
    desk.do(*TRAIN, "--rng-seed", str(2**128))


def no_warning_in_a_good_run(desk: Desk) -> None:
    desk.do(*TRAIN, "--dtype", "float64")  # `do` looks for them, and the forks make an error of each
    desk.do(*SAMPLE)
    desk.do("score", "good.npz", "lamp.txt")


CASES: dict[int, Case] = {
    58: Case(
        "large scores",
        story=enormous_scores("loud.npz"),
        tests=("test_log_softmax_is_finite_and_normalised_whatever_the_logits",),
    ),
    59: Case(
        "very negative scores",
        story=enormous_scores("quiet.npz"),
        tests=("test_whatever_the_filters_a_distribution_comes_out",),
    ),
    60: Case(
        "divergence",
        story=diverged,
        tests=("test_a_number_that_is_not_finite_goes_back_to_the_last_evaluation_or_save",),
    ),
    61: Case(
        "norms beyond the numbers",
        tests=("test_norm_is_right_at_every_size", "test_norm_is_finite_only_if_every_number_is"),
    ),
    62: Case("where eps stands", tests=("test_adagrad_eps_stands_inside_the_root",)),
    63: Case("a memory that stalls", tests=("test_adagrads_memory_never_shrinks",)),
    64: Case("a loss three times that of guessing", story=an_alarming_loss),
    65: Case(
        "temperatures",
        filters(
            (("--temperature", "nan"), "--temperature must be a finite number, not nan"),
            (("--temperature", "-1"), "--temperature must be 0 or more, not -1.0"),
            (("--temperature", "inf"), "--temperature must be a finite number, not inf"),
        ),
        temperatures_that_work,
    ),
    66: Case(
        "drawing with rounding errors",
        tests=("test_draw_never_returns_the_impossible", "test_draw_stays_in_range_to_the_very_end"),
    ),
    67: Case(
        "random seeds",
        (
            *options(
                (("--rng-seed", "-1"), "--rng-seed must be 0 or more"), (("--rng-seed", "1.5"), "not a valid integer")
            ),
            *filters(
                (("--rng-seed", "-1"), "-1 is not in the range x>=0"), (("--rng-seed", "x"), "not a valid integer")
            ),
        ),
        seeds_that_work,
    ),
    68: Case(
        "sizes",
        options(
            (("--hidden-size", "0"), "--hidden-size must be at least 1, not 0"),
            (("--hidden-size", "8,-1"), "--hidden-size must be at least 1, not -1"),
            (("--hidden-size", "9" * 400), "--hidden-size must be at most 1,000,000,000,000"),
            (("--embedding-size", "1000000000000"), "of memory, and "),
            (("--num-layers", "1000000000"), "--num-layers must be 1 to 32, not 1000000000"),
            (("--batch-size", "0"), "--batch-size must be at least 1, not 0"),
            (("--seq-length", "-3"), "--seq-length must be at least 1, not -3"),
            (("--sample-length", "1000000000"), "--sample-length must be at most 1,000,000"),
            (("--threads", "1000000"), "--threads must be at most 256"),
            (("--steps", "9" * 400), "--steps must be at most 1,000,000,000,000,000"),
            (("--epochs", "1e300"), "--epochs must be at most 1,000,000,000"),
        ),
    ),
    69: Case("a wrong gradient", tests=("test_a_wrong_gradient_is_named_and_is_a_failure",)),
    70: Case("warnings", story=no_warning_in_a_good_run),
}

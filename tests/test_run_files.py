"""What a run's files are called, and which was written last."""

import shutil
from pathlib import Path

import pytest

from charrnn.errors import ConfigError
from charrnn.paths import best_path, check_name, default_path, kept_path, kept_states, newest
from tests.conftest import unix


@unix
def test_the_newest_is_the_best_of_the_last_run_and_for_resuming_the_run_itself(trained: Path) -> None:
    assert newest() is None
    Path("checkpoints").mkdir()
    run = shutil.copy(trained, "checkpoints/lamp.npz")
    assert newest() == Path(run)
    best = shutil.copy(best_path(trained), "checkpoints/lamp-best.npz")
    Path(run).touch()
    assert newest() == Path(best)
    assert newest(for_resume=True) == Path(run)
    Path("checkpoints/gone.npz").symlink_to("nowhere")
    shutil.copy(trained, "checkpoints/pretrained.npz")
    assert newest(for_resume=True) == Path(run)


@pytest.mark.parametrize("for_resume", [False, True])
def test_an_older_state_is_never_the_newest(for_resume: bool, trained: Path) -> None:
    Path("checkpoints").mkdir()
    run = shutil.copy(trained, "checkpoints/lamp.npz")
    Path(kept_path(Path(run), 400)).touch()
    assert newest(for_resume=for_resume) == Path(run)


def test_kept_states_are_those_of_this_run_in_the_order_of_their_steps() -> None:
    run = Path("lamp.npz")
    assert kept_states(run) == []
    assert kept_states(Path("nowhere/lamp.npz")) == []
    theirs = ("lamp-2-step-5", "a-step-400", "lamp-step-007", "lamp-step-x", "lamp-best", "lamp")
    for name in ("lamp-step-1000", "lamp-step-400", *theirs):
        Path(f"{name}.npz").touch()
    assert kept_states(run) == [400, 1000]


@pytest.mark.parametrize(
    ("name", "number", "stem"),
    [
        ("lamp", 1, "lamp"),
        ("lamp", 2, "lamp-2"),
        ("a-best", 1, "a-best-run"),
        ("a-step-3", 1, "a-step-3-run"),
        ("a-step", 3, "a-step-3-run"),
        ("pretrained", 1, "pretrained-run"),
    ],
)
def test_a_text_of_any_name_has_a_run_that_is_found_again(name: str, number: int, stem: str, trained: Path) -> None:
    Path("checkpoints").mkdir()
    run = default_path(name, number)
    assert run == Path(f"checkpoints/{stem}.npz")
    check_name(run)
    shutil.copy(trained, run)
    assert newest() == newest(for_resume=True) == run


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("book.txt", r"book\.txt ends in \.txt: name a file that ends in \.npz"),
        ("book", r"book has no ending"),
        ("a/book-best.npz", r"a/book-best\.npz: names that end in -best\.npz"),
        ("book-step-12.npz", "choose another"),
    ],
)
def test_a_name_that_is_no_run_s_is_refused(name: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        check_name(Path(name))

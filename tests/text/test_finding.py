import os
import sys
from pathlib import Path

import pytest

from charrnn import paths
from charrnn.errors import TextError, UnreadableTextError
from charrnn.text.sources import find_sources, find_text
from tests.conftest import unix


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bundled").mkdir()
    monkeypatch.setattr(paths, "CORPORA", tmp_path / "bundled")
    Path("corpora").mkdir()
    Path("bundled/clerk.txt").touch()


def refusal(name: str) -> str:
    with pytest.raises(TextError) as caught:
        find_text(name)
    assert str(caught.value).isprintable()
    return str(caught.value)


def test_a_text_here_comes_before_corpora_and_that_before_the_bundled_ones() -> None:
    assert find_text("clerk.txt") == paths.CORPORA / "clerk.txt"
    assert find_text("clerk") == paths.CORPORA / "clerk.txt"
    Path("corpora/clerk.txt").touch()
    assert find_text("clerk.txt") == find_text("clerk") == Path("corpora/clerk.txt")
    Path("corpora/clerk").touch()
    assert find_text("clerk") == Path("corpora/clerk")
    Path("clerk.txt").touch()
    assert find_text("clerk.txt") == Path("clerk.txt")
    assert find_text("clerk") == Path("corpora/clerk")


def test_a_path_with_folders_means_itself_alone() -> None:
    Path("corpora/sub").mkdir()
    Path("corpora/sub/t.txt").touch()
    assert find_text("corpora/sub/t.txt") == Path("corpora/sub/t.txt")
    refusal("sub/t.txt")
    refusal("./clerk.txt")


def test_a_miss_names_what_comes_near_and_the_bundled_texts() -> None:
    Path("corpora/kafka.txt").touch()
    Path("kavka.txt").touch()
    Path("unlike.md").touch()
    assert refusal("kafk.txt") == (
        "there is no text kafk.txt (did you mean kafka.txt or kavka.txt?): "
        "name a file, or one of the bundled texts: clerk.txt"
    )
    assert refusal("corpora/kafkaa.txt").count("did you mean corpora/kafka.txt") == 1


def test_a_miss_with_nothing_near_names_the_bundled_texts() -> None:
    assert refusal("zzz") == "there is no text zzz: name a file, or one of the bundled texts: clerk.txt"
    assert refusal("no/such/folder/zzz").startswith("there is no text no/such/folder/zzz: name a file")


@pytest.mark.parametrize("name", ["a\x1b[31m", "a\nb", "a\0b", "\u202etxt"])
def test_a_strange_name_is_shown_escaped(name: str) -> None:
    assert repr(name) in refusal(name)


def unreadable(name: str) -> str:
    with pytest.raises(UnreadableTextError) as caught:
        find_text(name)
    return str(caught.value)


def test_a_folder_is_found_as_a_file_is() -> None:
    assert find_text("corpora") == Path("corpora")
    assert refusal("").startswith("there is no text ''")


@unix
def test_a_folder_is_taken_apart_but_for_what_is_hidden_or_by_name_no_text() -> None:
    for folder in ("corpora/deep", "corpora/.git"):
        Path(folder).mkdir()
    for file in ("b.txt", "a.md", ".hidden", "deep/c", ".git/config", "picture.png", "b.npz", "b.log.jsonl"):
        (Path("corpora") / file).touch()
    Path("corpora/gone.txt").symlink_to("nowhere")
    sources, notes = find_sources(["clerk", "-", "corpora"])
    assert [(source.name, source.is_in_folder) for source in sources] == [
        ("clerk", False),
        ("stdin", False),
        ("corpora/a.md", True),
        ("corpora/b.txt", True),
        ("corpora/deep/c", True),
    ]
    assert notes == ["corpora: left out 3 files by name (pictures, logs and the like)"]


@pytest.mark.skipif(sys.platform == "win32", reason="pipes and devices are not among the files there")
def test_what_is_not_a_file_is_unreadable() -> None:
    os.mkfifo("pipe")
    for name, said in {
        "pipe": "pipe is a pipe: send it to stdin and name it -",
        "/dev/null": "/dev/null is not a file: copy the text into one",
    }.items():
        assert unreadable(name) == said
    assert unreadable("x" * 5000).endswith("xx cannot be read (File name too long)")

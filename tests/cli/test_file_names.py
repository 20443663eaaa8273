"""Files whose names are empty, are a folder's, or begin as an option does."""

from pathlib import Path

import pytest

from tests.conftest import TEXT, TINY, Charrnn


@pytest.fixture(autouse=True)
def files(trained: Path) -> None:
    Path("lamp.npz").write_bytes(trained.read_bytes())
    Path("lamp.txt").write_text(TEXT)


@pytest.mark.parametrize(
    "arguments",
    [
        *[("sample", "{}"), ("sample", "--seed-file", "{}"), ("info", "{}"), ("plot", "{}"), ("score", "{}")],
        *[("score", "lamp.npz", "{}"), ("view", "lamp.npz", "{}"), ("view", "lamp.npz", "lamp.txt", "-o", "{}")],
        *[("export", "{}"), ("export", "lamp.npz", "-o", "{}"), ("plot", "lamp.npz", "-o", "{}")],
        *[("gradcheck", "{}"), ("gradcheck", "lamp.npz", "--text", "{}"), ("train", "{}"), ("train", "--config", "{}")],
        *[("train", "--checkpoint", "{}"), ("train", "--resume", "--checkpoint", "{}"), ("train", "--init-from", "{}")],
        ("cache", "{}"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("name", ["", "a folder/"])
def test_no_name_and_a_folder_s_are_refused_in_a_line_that_says_so(
    charrnn: Charrnn, arguments: tuple[str, ...], name: str
) -> None:
    before = sorted(Path().iterdir())
    done = charrnn(*(argument.format(name) for argument in arguments))
    (line,) = done.error_lines[-1:]
    assert done.code in (1, 2)
    assert name in line
    assert "'.'" not in line  # what Python makes of an empty name
    assert line.count("charrnn:") == 1
    assert sorted(Path().iterdir()) == before


@pytest.mark.parametrize("name", ["-x.npz", "--long name.npz"])
def test_a_file_that_is_taken_for_an_option_is_told_from_one(charrnn: Charrnn, name: str) -> None:
    Path("lamp.npz").rename(name)
    refused = charrnn("info", name)
    assert refused.code == 2
    assert f"./{name}" in refused.err
    assert charrnn("info", f"./{name}").code == 0
    assert "./" not in charrnn("info", "-y.npz").err


def test_files_to_write_may_begin_with_a_dash(charrnn: Charrnn) -> None:
    assert charrnn("export", "lamp.npz", "-o", "-x.html").code == 0
    assert charrnn("plot", "lamp.npz", "-o", "-x.svg", "-q").code == 0
    assert charrnn("view", "lamp.npz", "lamp.txt", "-o-y.html").code == 0
    assert charrnn("train", "lamp.txt", *TINY, "--steps", "1", "--checkpoint=-z.npz").code == 0
    assert all(Path(name).exists() for name in ("-x.html", "-x.svg", "-y.html", "-z.npz"))

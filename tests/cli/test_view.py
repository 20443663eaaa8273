"""`charrnn view` and `charrnn export` write one file for a browser, and say which."""

import shutil
from pathlib import Path

from charrnn import paths
from charrnn.report.pages import MOST_CHARACTERS
from tests.conftest import TEXT, TINY, Charrnn


def test_view_says_which_model_and_what_it_wrote(charrnn: Charrnn, trained: Path, text_file: Path) -> None:
    outcome = charrnn("view", str(trained), str(text_file), "-o", "lamp.html")
    assert (outcome.code, outcome.out) == (0, b"")
    model, wrote = outcome.error_lines
    assert model.startswith(f"{trained}: gru 16, trained on lamp for 60 steps, held out ")
    assert wrote == f"wrote lamp.html ({Path('lamp.html').stat().st_size / 1e6:.1f} MB): open it in a browser"
    assert [path.name for path in Path().iterdir()] == ["lamp.html"]


def test_view_alone_shows_the_model_that_ships_on_what_it_never_trained_on(charrnn: Charrnn) -> None:
    outcome = charrnn("view", "-n", "60")
    assert outcome.code == 0
    assert outcome.error_lines[0].startswith(f"{paths.PRETRAINED}: ")
    assert outcome.error_lines[1] == "shows the first 60 of 13,893 characters"
    page = Path("view.html").read_text(encoding="utf-8")
    assert "<title>What the cells of pretrained look at</title>" in page
    assert "anything was, and it was remarkable how well the town got on" in page


def test_view_alone_asks_for_a_text_where_the_model_s_own_is_gone(charrnn: Charrnn) -> None:
    Path("gone.txt").write_text(TEXT)
    charrnn("train", "gone.txt", *TINY, "--steps", "2", "--checkpoint", "run.npz")
    Path("gone.txt").unlink()
    outcome = charrnn("view", "run.npz")
    assert outcome.code == 2
    (line,) = outcome.error_lines
    assert line.endswith("name another text, as in charrnn view run.npz book.txt")


def test_view_reads_several_texts_and_stdin(charrnn: Charrnn, trained: Path) -> None:
    Path("first.txt").write_text("the lamp ")
    outcome = charrnn("view", str(trained), "first.txt", "-", stdin=b"and the sea")
    assert outcome.code == 0
    assert '"text":"the lamp and the sea"' in Path("view.html").read_text(encoding="utf-8")


def test_equal_commands_write_equal_pages(charrnn: Charrnn, trained: Path, text_file: Path) -> None:
    for name in ("one.html", "two.html"):
        assert charrnn("view", str(trained), str(text_file), "-q", "-o", name).code == 0
    assert Path("one.html").read_bytes() == Path("two.html").read_bytes()


def test_export_takes_the_newest_checkpoint_and_leaves_it_alone(charrnn: Charrnn, trained: Path) -> None:
    Path("checkpoints").mkdir()
    shutil.copy(trained, "checkpoints/mine.npz")
    outcome = charrnn("export")
    assert (outcome.code, outcome.out) == (0, b"")
    assert outcome.error_lines[0].startswith("checkpoints/mine.npz: ")
    assert outcome.error_lines[1].startswith("wrote model.html (")
    assert "<title>mine writes</title>" in Path("model.html").read_text(encoding="utf-8")
    assert Path("checkpoints/mine.npz").read_bytes() == trained.read_bytes()


def test_the_help_says_how_much_a_page_holds(charrnn: Charrnn) -> None:
    assert f"at most {MOST_CHARACTERS:,}." in " ".join(charrnn("view", "--help").out.decode().split())

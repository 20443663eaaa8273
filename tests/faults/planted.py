"""Safeguards switched off one at a time, each of which some test must miss: ``python -m tests.faults --planted``."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.faults.changed import TIMED_OUT, copy_of_the_tree, run_tests

_SECONDS = 120
# Each: its name | the file | the tests that must go red; then the source as it is, and as it must not be.
BUGS = """
the file is not flushed | archive/writer.py | faults/test_power_loss.py
-             os.fsync(stream.fileno())
+             pass
the file is flushed after it was moved | archive/writer.py | faults/test_power_loss.py
-             os.fsync(stream.fileno())
-             check(stream)
-         _move(temporary, target)
+             _move(temporary, target); check(stream)
+             os.fsync(stream.fileno())
the folder is not flushed | archive/writer.py | faults/test_power_loss.py
-         _sync_folder(target.parent)
+         pass
the folder is flushed before the move | archive/writer.py | faults/test_power_loss.py
-         _move(temporary, target)
-         _sync_folder(target.parent)
+         _sync_folder(target.parent)
+         _move(temporary, target)
written in place | archive/writer.py | faults/test_failing_calls.py
-     temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}{_SUFFIX}")
+     temporary = target; target.unlink(missing_ok=True)
what was written is not read back | archive/writer.py | test_archive_writer.py
-             check(stream)
+             pass
a temporary is left after a failure | archive/writer.py | faults/test_failing_calls.py
-             temporary.unlink()
+             pass
no temporary is swept away | archive/writer.py | test_archive_writer.py
-             removed.append(path)
+             removed.append(path); path.touch()
a member's checksum is not compared | archive/reader.py | faults/test_damage.py
-     if len(data) != member.size or zlib.crc32(data) != member.checksum:
+     if len(data) != member.size:
a member is not read whole | archive/reader.py | faults/test_damage.py
-     if len(data) != member.size or zlib.crc32(data) != member.checksum:
+     if False:
sizes are believed | archive/reader.py | test_archive_refusals.py faults/test_crafted.py
-     if total > packed_limit + _UNPACKED_BEYOND_FILE:
+     if False:
no size is too large | archive/reader.py | test_archive_refusals.py test_archive.py
-     if total > limit:
+     if False:
a compressed member may unpack to any size | archive/reader.py | test_archive_refusals.py faults/test_crafted.py
-                 piece = decompressor.decompress(rest, _PIECE)
+                 piece = decompressor.decompress(rest)
a pipe is waited for | archive/reader.py | faults/test_crafted.py
-     return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
+     return os.open(path, flags)
numbers that are not finite are read | archive/reader.py | test_archive_refusals.py
-     if dtype.kind == "f" and not np.isfinite(array).all():
+     if False:
another error comes out of a damaged description | checkpoint.py | test_checkpoint.py faults/test_crafted.py
-     except _CONTRADICTION as error:
-         raise CheckpointError(
+     except (ValueError, TypeError) as error:
+         raise CheckpointError(
a gradient that is not finite is learned from | training/trainer.py | training/test_trainer.py training/test_rollback.py
-         if is_lost or not math.isfinite(norm):
+         if False:
two trainings may have one file | archive/lock.py | faults/test_two_trainings.py
-             _lock(descriptor)
+             pass
control characters reach the terminal in samples | report/terminal.py | faults/test_terminals.py
-         self._send(visible(text) if self._is_terminal else text)
+         self._send(text)
control characters reach the terminal in messages | report/terminal.py | faults/test_terminals.py
-     return "".join(
+     return text or "".join(
the last save comes before the last evaluation | training/run.py | faults/test_every_step.py
-         if is_to_save and not self.is_finished and self._has_time_for("save"):
+         if is_to_save and self._has_time_for("save"):
a worse model replaces the best | training/saving.py | training/test_saving.py training/test_resume.py
-         if loss < self.kept:
+         if True:
a second signal is like the first | cli/interruption.py | faults/test_signals.py
-         if earlier is not None:
+         if False:
the text is not what was read | text/reading.py | faults/test_texts.py
-             text = text.removeprefix(BYTE_ORDER_MARK)
+             text = text.replace(BYTE_ORDER_MARK, "")
"""


class Bug(NamedTuple):
    """A safeguard, and how it is switched off."""

    name: str
    file: str
    tests: tuple[str, ...]
    right: str
    wrong: str


def bugs() -> Iterator[Bug]:
    """Read the list above."""
    title, right, wrong = "", [], []
    for line in [*BUGS.strip().splitlines(), " |  | "]:
        if line.startswith("- "):
            right.append(line[2:])
        elif line.startswith("+ "):
            wrong.append(line[2:])
        else:
            if title:
                name, file, tests = title.split(" | ")
                yield Bug(
                    name, file, tuple(f"tests/{test}" for test in tests.split()), "\n".join(right), "\n".join(wrong)
                )
            title, right, wrong = line, [], []


def main(words: list[str]) -> int:
    """Plant each whose name has one of the words, or each, and say which test saw it; return 1 if one was not seen."""
    unseen = 0
    with tempfile.TemporaryDirectory() as folder:
        tree, log = copy_of_the_tree(Path(folder) / "tree"), Path(folder) / "log"
        for bug in bugs():
            if words and not any(word in bug.name for word in words):
                continue
            path = tree / "charrnn" / bug.file
            source = path.read_text(encoding="utf-8")
            if source.count(bug.right) != 1:
                print(f"NOT FOUND  {bug.name}: {bug.right!r} in {bug.file}", flush=True)
                unseen += 1
                continue
            path.write_text(source.replace(bug.right, bug.wrong), encoding="utf-8")
            code = run_tests(tree, bug.tests, log, _SECONDS)
            path.write_text(source, encoding="utf-8")
            said = log.read_text(encoding="utf-8", errors="replace").splitlines()
            reds = [line.removeprefix("FAILED ").split(" - ")[0] for line in said if line.startswith("FAILED ")]
            verdict = (
                "hung" if code == TIMED_OUT else reds[0] if reds else "UNSEEN" if code == 0 else f"error: {said[-1:]}"
            )
            unseen += verdict == "UNSEEN" or verdict.startswith("error")
            print(f"{bug.name}: {verdict}", flush=True)
    return int(unseen > 0)

"""F10: files made to mislead and paths that are no files end in one error, soon, in little memory."""

import json
import subprocess
import sys
from pathlib import Path

from tests.conftest import REPOSITORY
from tests.faults import crafted
from tests.faults.conftest import Tried


def test_whatever_is_given_as_a_checkpoint_one_error_comes_soon_and_in_little_memory(
    tmp_path: Path, tried: Tried
) -> None:
    names = {}
    for number, (name, data) in enumerate(crafted.files()):
        assert name not in names
        names[name] = str(tmp_path / f"{number}.npz")
        Path(names[name]).write_bytes(data)
    (tmp_path / "names.json").write_text(json.dumps(names))
    (tmp_path / "odd").mkdir()
    command = [sys.executable, "-m", "tests.faults.crafted", str(tmp_path)]
    done = subprocess.run(command, cwd=REPOSITORY, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    cost = json.loads(done.stdout)
    assert cost["seconds"] < 1, cost["slowest"]
    assert cost["kilobytes"] < 64 << 10
    bombs = sum("bomb" in name for name in names)
    tried(
        "F10",
        files=len(names),
        of_them_bombs=bombs,
        most_ms_for_one=cost["seconds"] * 1e3,
        most_MB_beyond=cost["kilobytes"] / 1024,
    )

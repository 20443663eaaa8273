"""What the cache of prepared texts holds, as a table and as JSON lines."""

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from charrnn.cache.folder import Kept
from charrnn.errors import counted, shown
from charrnn.machine import format_bytes
from charrnn.report.columns import cells, padded
from charrnn.report.terminal import visible
from charrnn.report.units import duration

_HEADER = ("text", "size", "characters", "symbols", "used")


def as_table(kept: Sequence[Kept], folder: Path, *, were_removed: bool = False) -> str:
    """Write one line a text, the last used first, and how much they are together."""
    where, total = shown(str(folder)), format_bytes(sum(entry.size for entry in kept))
    texts = counted(len(kept), "text")
    if not kept:
        return f"no text is kept in {where}\n"
    if were_removed:
        return f"removed {texts}, {total}, from {where}\n"
    rows = [_HEADER, *map(_row, kept)]
    widths = [max(map(cells, column)) for column in zip(*rows, strict=True)]
    lines = []
    for name, *figures in rows:
        right = (f"{figure:>{width}}" for figure, width in zip(figures, widths[1:], strict=True))
        lines.append("  ".join([padded(name, widths[0]), *right]))
    return "\n".join([*lines, f"{texts}, {total}, in {where}"]) + "\n"


def as_json(kept: Sequence[Kept]) -> str:
    """Write one object a text, a line feed after each."""
    return "".join(json.dumps(_values(entry)) + "\n" for entry in kept)


def _row(kept: Kept) -> tuple[str, ...]:
    known = kept.description
    ago = f"{duration(max(0.0, time.time() - kept.used))} ago"
    if known is None:
        return visible(kept.path.name), format_bytes(kept.size), "damaged", "", ago
    names = visible(", ".join(map(shown, known.given)))
    return names, format_bytes(kept.size), f"{known.characters:,}", f"{len(known.vocabulary):,}", ago


def _values(kept: Kept) -> dict[str, object]:
    known = kept.description
    values: dict[str, object] = {
        "path": str(kept.path),
        "bytes": kept.size,
        "used": datetime.fromtimestamp(kept.used, UTC).isoformat(timespec="seconds"),
        "is_damaged": known is None,
    }
    if known:
        values |= {
            "name": known.name,
            "sources": list(known.given),
            "files": [path for path, *_ in known.files],
            "sha256": known.sha256,
            "characters": known.characters,
            "symbols": len(known.vocabulary),
            "max_vocab": known.request.get("max_vocab", 0),
        }
    return values

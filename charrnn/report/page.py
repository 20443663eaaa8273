"""Pages of one file: templates, styles, scripts and numbers joined, so that a browser needs nothing else.

Whatever comes from outside, such as a text or a file's name, enters a page in one of two ways: escaped for HTML, or as
JSON of plain ASCII in which ``<``, ``>`` and ``&`` are escaped too, so that no text can end a script or begin a tag.
"""

import base64
import html
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.report.terminal import visible

_TEMPLATES = Path(__file__).with_name("pages")
_FIELD = re.compile(r"\{\{(\w+)\}\}")


def fill(body: str, styles: Sequence[str], scripts: Sequence[str], **fields: str) -> str:
    """Return a page made of files in `pages`.

    Parameters
    ----------
    body, styles, scripts : names of those files
    fields : HTML for each ``{{place}}`` that they leave: at least ``title``, ``data`` (JSON) and ``blobs``
    """
    parts = {"style": "\n".join(map(_read, styles)), "script": "\n".join(map(_read, scripts)), **fields}
    # What is put in is never looked at again, and so never taken for a place.
    parts["body"] = _FIELD.sub(lambda field: parts[field[1]], _read(body))
    return _FIELD.sub(lambda field: parts[field[1]], _read("page.html"))


def escaped(text: str) -> str:
    """Return a text for HTML, its control and bidirectional characters made visible."""
    return html.escape(visible(text))


def harmless_json(values: Mapping[str, Any]) -> str:
    """Return JSON that may stand inside a script element."""
    plain = json.dumps(values, separators=(",", ":"), allow_nan=False)
    return plain.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def blob(name: str, array: NDArray[Any]) -> str:
    """Return an element that holds numbers: little-endian, in base64."""
    data = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"), copy=False))
    return f'<script type="text/plain" id="{name}">{base64.b64encode(data.tobytes()).decode()}</script>'


def _read(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")

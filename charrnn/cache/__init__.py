"""Long texts, read once and kept as ids that are mapped into memory: built, found again, listed and removed.

A short text is read anew each time and leaves nothing behind. One that would take much memory becomes a file in the
cache's folder (see `charrnn.cache.folder`): whole or absent, known by the sizes and times of what was read, shared by
all runs on that text, and made anew when the text has changed.
"""

from charrnn.cache.folder import scratch
from charrnn.cache.loading import load_corpus

__all__ = ["load_corpus", "scratch"]

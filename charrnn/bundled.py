"""Where the texts and the model that come with the package are, and a user's own models.

In an installed wheel they lie in ``charrnn/data``; in a checkout, or an editable
install, at the top of the repository.
"""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_IN_WHEEL = _PACKAGE / "data"
_HOME = _IN_WHEEL if _IN_WHEEL.is_dir() else _PACKAGE.parent

CORPORA = _HOME / "corpora"
PRETRAINED = _HOME / "checkpoints" / "pretrained.npz"
DEFAULT_CORPUS, DEFAULT_ITEMS = "harbour-clerk.txt", "villages.txt"
LOCAL_CHECKPOINTS = Path("checkpoints")


def default_corpus(separator: str = "") -> str:
    """Return what is learned where no text is named: a running text, or one of items where these have a separator."""
    return DEFAULT_ITEMS if separator else DEFAULT_CORPUS


def corpus_names() -> list[str]:
    """File names of the bundled texts, sorted."""
    return sorted(path.name for path in CORPORA.glob("*.txt"))

"""What is said where a package that only an exchange needs is not installed."""

from collections.abc import Iterator
from contextlib import contextmanager

from charrnn.errors import MissingPackageError


@contextmanager
def needing(package: str, what: str) -> Iterator[None]:
    """Import, inside this, what may not be there.

    Parameters
    ----------
    package : as pip calls it
    what : who needs it

    Raises
    ------
    MissingPackageError
        If it is not there.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingPackageError(f"{what} needs {package}: `pip install {package}`") from error

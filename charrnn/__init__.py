"""charrnn: learn a text one character at a time, and write more like it, in NumPy.

The way of the data is the layout: ``text`` → ``nn`` → ``optim`` → ``training`` → ``checkpoint`` → ``sampling``, with
``cli`` at the door.
"""

from charrnn.version import __version__

__all__ = ["__version__"]

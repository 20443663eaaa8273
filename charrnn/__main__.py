"""``python -m charrnn``."""

from charrnn.cli.start import run

run()

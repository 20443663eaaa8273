"""``python -m charrnn``."""

from charrnn.cli.main import run

run()

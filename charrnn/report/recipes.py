"""The recipes as a list to choose from."""

from charrnn.report.columns import wrap
from charrnn.training.recipes import RECIPES


def describe_recipes(width: int | None = None) -> list[str]:
    """Say of each recipe what it reaches, a line each; `width` is the terminal's, if it goes to one."""
    names = max(map(len, RECIPES))
    lines = [f"{name:{names}}  {recipe.reaches}" for name, recipe in RECIPES.items()]
    return [part for line in lines for part in wrap(line, width, names + 2)] if width else lines

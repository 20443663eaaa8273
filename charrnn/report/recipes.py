"""The recipes as a list to choose from."""

from charrnn.training.config import RECIPES


def describe_recipes() -> list[str]:
    """Say of each recipe what it reaches, a line each."""
    width = max(map(len, RECIPES))
    return [f"{name:{width}}  {recipe.reaches}" for name, recipe in RECIPES.items()]

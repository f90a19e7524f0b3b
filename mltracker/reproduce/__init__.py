"""From history to a recipe, to a run of it again, to a verdict."""

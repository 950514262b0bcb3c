"""Colours for recipes: Pygments and TextMate."""

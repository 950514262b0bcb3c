"""Recipes and edits on their way to other people: packs, and the files of other programs."""

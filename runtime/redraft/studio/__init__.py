"""A local page on which a recipe is made by hand and eye: text in, pictures out."""

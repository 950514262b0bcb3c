"""Between recipes and other people's files. Neither torch nor the runtime is needed for that.

``edits`` is the file format of the paper's authors, ``to_recipe`` and ``from_recipe`` are the two
ways between it and a recipe.
"""

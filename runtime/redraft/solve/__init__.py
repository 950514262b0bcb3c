"""Goal and directions in, coefficients out; knows no recipe, no disk and no architecture."""

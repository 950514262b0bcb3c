"""Goal and directions in, coefficients out; knows no recipe, no disk and no architecture."""

VERSIONS = {"exact": 3, "gradient": 1, "projected-adam": 1}
"""Of the solvers that recipes name. Another way to an answer gives other bits: another version."""

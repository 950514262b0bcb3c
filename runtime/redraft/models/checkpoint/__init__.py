"""Weights in files: read without running anything, written back in the form they came in."""

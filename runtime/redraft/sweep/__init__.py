"""Sweeps: one recipe run with every combination of some values, and what came of each."""

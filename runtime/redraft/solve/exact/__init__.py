"""The exact solver: every output channel is a small problem of its own, solved to its end."""

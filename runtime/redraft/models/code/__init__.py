"""Generators that a person names by their code: read, looked at in another process, and run."""

"""Architectures whose files differ too much for a class of their own: built, and cut by hooks."""

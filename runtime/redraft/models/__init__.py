"""A generator, read from a file and cut at a layer."""

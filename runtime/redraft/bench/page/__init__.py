"""Measurements of studio over the wire, as a page meets it."""

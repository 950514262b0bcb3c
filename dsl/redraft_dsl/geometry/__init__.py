"""Regions as pixels and as keys."""

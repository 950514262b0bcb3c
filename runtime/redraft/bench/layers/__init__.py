"""Whether the layer that is recommended is the one that comes nearest to the right answer."""

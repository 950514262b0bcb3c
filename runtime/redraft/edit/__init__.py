"""A change as a thing of its own: saved, applied, scaled, combined, exported."""

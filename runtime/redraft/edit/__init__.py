"""A change as a thing: saved, applied, scaled, combined, exported."""

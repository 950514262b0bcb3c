"""Rules against other ways to change a layer, at equal change elsewhere."""

"""What a layer remembers, and where: moments, keys, matches, places."""

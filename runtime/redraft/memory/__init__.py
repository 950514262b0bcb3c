"""What a layer remembers, and where: moments, keys, matches, places."""

ESTIMATOR = "uncentred-second-moment-v2"
"""How second moments are taken. What is cached goes by it, so another way needs another name."""

"""Rules of the village judged by its segmenter and by the right answer."""

"""The architectures that can be read, and what gives a file of each away."""

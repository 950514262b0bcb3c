"""Other methods with the signature of our solvers."""

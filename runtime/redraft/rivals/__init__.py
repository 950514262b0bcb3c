"""Other people's methods, with the signature of our solvers."""

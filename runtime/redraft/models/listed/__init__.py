"""The models that redraft knows by name, and how they are fetched."""

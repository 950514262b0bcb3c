"""What a change does to pictures that nobody solved."""

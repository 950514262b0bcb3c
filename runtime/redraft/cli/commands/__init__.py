"""The commands: one module each, of the command's name."""

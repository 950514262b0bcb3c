"""What the arguments of commands stand for, so that a shell can complete them."""

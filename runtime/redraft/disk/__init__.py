"""Files written whole, found by content, verified."""

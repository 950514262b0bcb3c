"""Measurements that anyone can repeat: speed in one process, effect on unseen pictures."""

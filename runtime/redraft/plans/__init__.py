"""What would run, without running it: plans, locks, and the records of runs.

No torch.
"""

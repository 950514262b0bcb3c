"""The village: a drawn world with right answers, its judge, and the trainings."""

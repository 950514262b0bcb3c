"""The measures: what a change does to pictures that no rule was solved for."""

"""Chains of rules: what each rule still does after the later ones."""

"""A plan carried out: resumable, lockable, verifiable."""

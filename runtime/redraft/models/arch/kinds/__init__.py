"""Other kinds of files of the architectures, and kinds that are only named. No torch."""

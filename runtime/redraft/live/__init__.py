"""A model and a recipe in memory: each change of the text is answered by pictures, then an edit."""

"""The checked recipe and its other forms: text, JSON, a comparison."""

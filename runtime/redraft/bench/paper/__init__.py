"""The paper's experiments: rules and their rivals at equal change elsewhere, and the page of it."""

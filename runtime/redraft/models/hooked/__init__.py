"""Any torch module as a generator: watched once, then cut by hooks wherever it computes a layer."""

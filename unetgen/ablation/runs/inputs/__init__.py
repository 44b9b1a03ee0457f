"""The inputs of a run: the code, plugins, packages and data that its results depend on, each with a fingerprint."""

"""Save and load weights with their spec, and import weights of other implementations."""

"""Weights in files: written with their spec, read safely, and matched with those of other implementations."""

"""The conditions that a variant must meet."""

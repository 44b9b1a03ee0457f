"""From level to level."""

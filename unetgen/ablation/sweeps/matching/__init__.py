"""Bringing a variant to a budget."""

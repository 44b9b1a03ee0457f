"""Ablations: variants of a spec, matched, written and compared."""

"""Layers of a unit (norms, activations, dropouts, attentions) and the initialisation of parameters."""

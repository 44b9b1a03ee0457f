"""Prepare trained networks for inference: fewer layers, faster memory layout, optional half precision."""

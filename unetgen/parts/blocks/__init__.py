"""Blocks: the layers of a level between its resampling steps, and their shortcuts."""

"""Measure unetgen against equivalent code without it, always as ratios of interleaved runs."""

"""Measurements of unetgen against what people would write and run without it. Always ratios, side by side."""

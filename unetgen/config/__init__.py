"""Read YAML specs, with the source location of every value and problem. No module here imports torch."""

"""The directory that a sweep is written to."""

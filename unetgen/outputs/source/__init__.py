"""Generate a network as one Python file that needs only torch: a class for each distinct module."""

"""Build torch modules from graphs: the layers that a graph names, run in its order."""

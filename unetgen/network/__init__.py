"""Graph to nn.Module: the layers that a graph names, run in its order."""

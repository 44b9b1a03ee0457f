"""A network as one file of Python that needs torch alone: a class for each distinct module, its forward written out."""

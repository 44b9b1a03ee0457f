"""The graph of a spec, from which shapes and costs follow before any tensor exists. It needs no torch."""

"""Parse and evaluate the ``where`` conditions of a sweep."""

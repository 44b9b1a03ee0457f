"""Write the directory of a sweep."""

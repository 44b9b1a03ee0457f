"""The methods of Builder that add one op each, by family."""

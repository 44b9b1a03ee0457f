"""Run the trials of a sweep's variants and record their results."""

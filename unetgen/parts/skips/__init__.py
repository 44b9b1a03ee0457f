"""Parts of a skip connection: gates, alignments, transforms and fusions."""

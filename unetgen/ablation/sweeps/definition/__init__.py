"""Parse a sweep file into a sweep definition."""

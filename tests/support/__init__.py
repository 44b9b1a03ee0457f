"""Code shared by the tests: reference networks, sample trials, plugins and files."""

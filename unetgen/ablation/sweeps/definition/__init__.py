"""A sweep's file, from YAML to what it means."""

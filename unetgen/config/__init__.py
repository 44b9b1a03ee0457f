"""YAML to Spec: what the text says, where it says it, and what is wrong with it. No torch."""

"""Spec to Graph: every shape and every cost, before a tensor exists. No torch."""

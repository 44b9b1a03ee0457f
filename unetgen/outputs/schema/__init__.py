"""JSON Schemas of the spec language, and the part reference, generated from the registered parts."""

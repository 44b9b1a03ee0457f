"""Parts that a network has once: encoder, decoder, heads and input."""

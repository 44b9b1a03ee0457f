"""What a network has once: encoder, decoder, heads, and what is done to the image."""

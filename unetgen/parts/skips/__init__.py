"""From the encoder to the decoder."""

"""Networks on the Hugging Face Hub: weights with their spec, the spec by itself, and a card that says what it is."""

"""Match variants to a budget by rescaling them."""

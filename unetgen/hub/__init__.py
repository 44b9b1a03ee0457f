"""Networks on the Hugging Face Hub: weights with their spec, a model card and a figure."""

"""What stands in a unit: norms, activations, dropouts, attentions; and how learned tensors start."""

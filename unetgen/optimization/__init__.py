"""Networks made ready to be used and not to be trained: fewer layers, memory in the order that processors like."""

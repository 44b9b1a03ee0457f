"""What a level computes."""

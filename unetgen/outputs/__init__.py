"""Write networks, tables and schemas for other programs. Only ``exports`` imports torch."""

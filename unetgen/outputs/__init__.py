"""What people read: a paragraph, tables, a schema. Only the layer table needs torch."""

"""What trials found: kept in SQLite, tested against the base, tabulated."""

"""What is kept in a database: SQLite or PostgreSQL, by one code path."""

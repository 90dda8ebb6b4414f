"""How is a store copied while others write to it, and put back? A room each for SQLite and PostgreSQL."""

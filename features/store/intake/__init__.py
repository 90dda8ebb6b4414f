"""How do the rows of files become rows of tables? The steps of `ingest.py`, a room each."""

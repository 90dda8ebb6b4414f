"""Where are the facts kept? Tables, the database floor under them, and the ways in."""

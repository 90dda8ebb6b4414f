"""What we decide: candidates, hard rules, ranking, the list."""

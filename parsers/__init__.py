"""Reading SMS: pure functions from a text to what it reports, with all vocabulary kept as data."""

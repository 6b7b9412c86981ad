"""A phone in the browser, for trying and for showing; in development only."""

"""The tables, the states of their rows, and the one module that knows which database it is."""

"""The code card: one printed page for each village that says what to text, and where to."""

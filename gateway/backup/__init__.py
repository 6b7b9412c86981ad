"""A consistent copy of a running gateway in one file, and back, on either kind of database."""

"""The `timpora` command."""

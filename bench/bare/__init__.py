"""Bare web applications to compare with: what Flask and the database cost by themselves."""

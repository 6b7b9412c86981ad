"""Every text that people receive, by key: one file for each language."""

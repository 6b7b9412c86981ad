"""Keeping watch over the channels: what they say of themselves, canaries, alarms told to admins."""

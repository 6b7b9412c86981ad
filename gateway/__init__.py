"""The gateway: providers, webhooks, the handling of messages, and the commands that run it."""

"""One adapter for each provider: it reads what they send, and sends what we say."""

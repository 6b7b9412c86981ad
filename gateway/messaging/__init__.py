"""Messages in and out: accepted once, queued, sent, and what became of them."""

"""The peer's project; Celery's tasks bind to its application."""

from peer.celery import app

__all__ = ["app"]

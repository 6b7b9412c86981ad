"""The wiring of the web application that serves the present request."""

from flask import current_app

from gateway.wiring import Wiring

EXTENSION = "timpora"


def office() -> Wiring:
    """Give the wiring that the application was made with."""
    found: Wiring = current_app.extensions[EXTENSION]
    return found

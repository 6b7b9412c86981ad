"""What the web application that serves the present request was made with."""

from flask import Flask, current_app

from gateway.doorstep import Doorstep
from gateway.wiring import Wiring

_OFFICE = "timpora"
_DOORSTEP = "timpora doorstep"


def install(app: Flask, wiring: Wiring) -> None:
    """Give an application what it serves with."""
    app.extensions[_OFFICE] = wiring
    app.extensions[_DOORSTEP] = Doorstep(wiring)


def office() -> Wiring:
    """Give the wiring that the application was made with."""
    found: Wiring = current_app.extensions[_OFFICE]
    return found


def doorstep() -> Doorstep:
    """Give where this application keeps what providers bring."""
    found: Doorstep = current_app.extensions[_DOORSTEP]
    return found

"""The web application: webhooks and health, and errors that tell a caller no more than needed."""

import sys

from flask import Flask, Response
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix

from gateway import current, health, logs, status, webhooks
from gateway.cards import pages as cards
from gateway.settings import read_settings
from gateway.simulator import pages as simulator
from gateway.wiring import START_ERRORS, Wiring, refuse_wrong_start, wire
from models.database.engine import UNAVAILABLE

_log = logs.logger()


def create_app(wiring: Wiring | None = None) -> Flask:
    """Make the application, from the environment unless a wiring is given."""
    if wiring is None:
        wiring = _wire_or_exit()
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = webhooks.LARGEST_BODY
    current.install(app, wiring)
    if proxies := wiring.settings.proxies:
        # Whoever stands before our own proxies could write any address; theirs is the last one.
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=proxies, x_proto=0)  # type: ignore[method-assign]
    app.register_blueprint(webhooks.blueprint)
    app.register_blueprint(health.blueprint)
    app.register_blueprint(status.blueprint)
    app.register_blueprint(cards.blueprint)
    if wiring.settings.is_development:
        app.register_blueprint(simulator.blueprint)
    app.register_error_handler(HTTPException, _refuse)
    app.register_error_handler(Exception, _fail)
    return app


def _wire_or_exit() -> Wiring:
    logs.set_up()
    try:
        wiring = wire(read_settings())
        refuse_wrong_start(wiring)
    except START_ERRORS as error:
        sys.exit(f"timpora: {error}")
    wiring.settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    return wiring


def _refuse(error: HTTPException) -> Response:
    """Answer with the status alone: some providers send a body on to the phone."""
    return Response(status=error.code or 500, content_type="text/plain; charset=utf-8")


def _fail(error: Exception) -> Response:
    """Say that it failed, so that the provider sends again; log where, never what."""
    _log.error("request_failed", error=logs.name_of(error))
    return Response(status=503 if isinstance(error, UNAVAILABLE) else 500)

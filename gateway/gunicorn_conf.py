"""How the web server runs: threads that wait for the database, no log line with the secret."""

import os

bind = os.environ.get("TIMPORA_BIND", "127.0.0.1:8000")
worker_class = "gthread"
threads = 8
# A request is a transaction or two; the socket of a provider that hangs must not hold a thread.
timeout = 30
graceful_timeout = 2
keepalive = 5
# The path holds the webhook's secret, so no access log; the application logs what happened.
accesslog = None
errorlog = "-"
loglevel = "warning"
limit_request_line = 4094
# Nobody steers it by a socket in a home folder, which a service may not even have.
control_socket_disable = True

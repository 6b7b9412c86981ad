"""Serves one of these applications: `python -m bench.bare NAME`."""

import importlib
import os
import sys

from gateway import web_server

web_server.serve(
    lambda: importlib.import_module(f"bench.bare.{sys.argv[1]}").app,
    os.environ["TIMPORA_BIND"],
    int(os.environ["WEB_CONCURRENCY"]),
)

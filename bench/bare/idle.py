"""A Flask route that reads its form and does nothing."""

from flask import Flask, Response, request

app = Flask(__name__)


@app.post("/sms")
def take() -> Response:
    """Read the form, and say yes."""
    return Response(status=200 if request.form["text"] else 400)

"""The simulator's page and what its scripts ask for; in development only.

The page itself posts to the real webhooks, as a provider does. Nothing here takes a message in.
"""

import ipaddress
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, jsonify, render_template, request

from gateway import current
from gateway.roster.demo import DemoPeopleError
from gateway.simulator import casting, recording, watching
from gateway.simulator.script import ScriptError

#: Nothing from elsewhere, no script or style inside the page, and no page of others around it.
POLICY = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
#: What only a script of this page can send along; a form on somebody's page cannot.
MARK = ("X-Timpora", "simulator")
_SHORT_CODE = "22345"
#: Conversations stand beside the code in a checkout; an installed gateway has none.
_SHIPPED = Path(__file__).parents[2] / "tests" / "conversations"
_FILE_NAME = re.compile(r"[a-z0-9_]{1,60}")
_LONGEST_QUERY = 80

blueprint = Blueprint(
    "simulator",
    __name__,
    url_prefix="/simulator",
    template_folder="templates",
    static_folder="static",
)


@blueprint.before_request
def refuse_others() -> Response | None:
    """Refuse a name that may have been bound to this machine, and posts from other pages."""
    is_post = request.method == "POST"
    if not _is_plain_host(request.host) or (is_post and request.headers.get(MARK[0]) != MARK[1]):
        return Response(status=403, content_type="text/plain; charset=utf-8")
    return None


@blueprint.after_request
def guard(response: Response) -> Response:
    """Let the page load nothing from elsewhere, and tell nobody where it was."""
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    if not request.path.startswith("/simulator/static/"):
        response.headers["Cache-Control"] = "no-store"
    return response


def _is_plain_host(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or bool(ipaddress.ip_address(name))
    except ValueError:
        return False


@blueprint.get("", strict_slashes=False)
def page() -> str:
    """Show the phones."""
    settings = current.office().settings
    return render_template(
        "simulator/phones.html",
        webhook=f"/webhooks/africastalking/{settings.secret_of('africastalking')}",
        ussd_code=settings.ussd_code,
        short_code=_SHORT_CODE,
        channel=settings.channel,
        timezone=settings.timezone.key,
        shipped=_shipped(),
    )


def _shipped() -> list[str]:
    return sorted(path.stem for path in _SHIPPED.glob("*.txt") if _FILE_NAME.fullmatch(path.stem))


@blueprint.get("/people")
def people() -> Response:
    """List demo people to choose from."""
    query = request.args.get("q", "")[:_LONGEST_QUERY]
    office = current.office()
    with office.database.reading() as session:
        return jsonify(people=watching.people(session, office, query))


@blueprint.get("/phones/timeline")
def timeline() -> Response | tuple[Response, int]:
    """Show one phone's messages and reports; 403 for a real person's."""
    office = current.office()
    after_in, after_out = (
        _row_id(request.args.get(name, "")) for name in ("after_in", "after_out")
    )
    try:
        with office.database.reading() as session:
            number = request.args.get("number", "")
            return jsonify(watching.timeline(session, office, number, after_in, after_out))
    except watching.RealPerson:
        reason = "Nomor ini milik orang yang benar-benar terdaftar, jadi tidak dipakai di sini."
        return _refused(reason, 403)


@blueprint.get("/conversations/<name>")
def conversation_file(name: str) -> Response | tuple[Response, int]:
    """Give one of the conversations that stand beside the code."""
    if name not in _shipped():
        return _refused("Percakapan itu tidak ada.", 404)
    return _text((_SHIPPED / f"{name}.txt").read_text(encoding="utf-8"))


@blueprint.post("/conversation")
def save() -> Response | tuple[Response, int]:
    """Write what happened on the phones as a conversation file."""
    office = current.office()
    asked = request.get_json(silent=True)
    try:
        with office.database.reading() as session:
            given = watching.numbers_given(session, recording.candidates(asked))
        return _text(recording.as_file(asked, given, office.switchboard.texts))
    except recording.BadRecording:
        return _refused("Rekaman tidak dapat dibaca.", 400)


@blueprint.post("/script")
def script() -> Response | tuple[Response, int]:
    """Read a conversation file as steps."""
    try:
        return jsonify(steps=recording.as_steps(request.get_data().decode("utf-8-sig")))
    except UnicodeDecodeError:
        return _refused("Berkas ini bukan teks UTF-8.", 400)
    except ScriptError as error:
        reason = f"Baris {error.number} tidak dapat dibaca."
        return jsonify(reason=reason, line=error.number, detail=str(error)), 400


@blueprint.post("/cast")
def cast() -> Response | tuple[Response, int]:
    """Register those whom a conversation names, each with a fresh number."""
    office = current.office()
    asked: Any = request.get_json(silent=True)
    try:
        roles = casting.read_roles(office, asked.get("people") if isinstance(asked, dict) else None)
        with office.database.writing() as session:
            return jsonify(numbers=casting.cast(session, office, roles))
    except casting.BadCast as error:
        return _refused(str(error), 400)
    except DemoPeopleError:
        reason = "Pesan dapat keluar dari mesin ini, jadi orang contoh tidak didaftarkan."
        return _refused(reason, 409)


def _row_id(text: str) -> int:
    """Read a row's id; anything else means `from the beginning`."""
    return int(text) if re.fullmatch(r"[0-9]{1,15}", text) else 0


def _refused(reason: str, status: int) -> tuple[Response, int]:
    return jsonify(reason=reason), status


def _text(text: str) -> Response:
    return Response(text, content_type="text/plain; charset=utf-8")

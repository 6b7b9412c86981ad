"""`timpora parse`: how a text is understood and what would be answered; nothing is stored."""

import json
import sys
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

import click
import sqlalchemy as sa

from gateway import clock
from gateway.cli.ending import stop
from gateway.cli.office import office, print_json
from gateway.reporting import preview
from models.people import Village
from parsers.reading import explain


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--jsonl", is_flag=True, help='Read {"id","text","now"?,"village"?} lines from stdin.'
)
@click.option("--now", metavar="ISO", help="When it was written; otherwise now.")
@click.option("--village", metavar="CODE", help="The village of the phone that it came from.")
@click.option("--as", "sender", type=click.Choice(["reporter", "officer"]), default="reporter")
@click.argument("text", required=False)
def parse(
    *,
    as_json: bool,
    jsonl: bool,
    now: str | None,
    village: str | None,
    sender: Literal["reporter", "officer"],
    text: str | None,
) -> None:
    """Read one SMS and show how it is understood and what would be answered."""
    if jsonl:
        for number, line in enumerate(sys.stdin, 1):
            if line.strip():
                _print_line(line, number, now, sender)
        return
    if text is None:
        stop('give the text in quotes, such as: timpora parse "WNA 2 Australia wisata"')
    place = _place(village)
    moment = _moment(now, place.zone)
    result = preview.read_and_answer(text, office().desk, moment, sender, place.name)
    if as_json:
        print_json(result)
        return
    click.echo("Which words became what:")
    for words, became in explain(text, office().desk.language, now=moment, sender=sender):
        click.echo(f"  {' '.join(words.split()):<34} {_LEFT if became == 'note' else became}")
    for item in result["items"]:
        _show_item(item)
    if result["reply"] is None:
        click.echo("Reply: none is due")
    else:
        click.echo(f"Reply ({result['reply_key']}, {result['segments']} segment):")
        click.echo(f"  {result['reply']}")


_LEFT = "left over, kept as the note"


def _show_item(item: Mapping[str, Any]) -> None:
    """Print what one report or command was read as, a line for each thing that is known of it."""
    urgency = f", {item['urgency']}" if item["urgency"] else ""
    click.echo(f"Read as: {item['outcome']} {item['code'] or '(no code)'}{urgency}")
    language = office().desk.language
    form = language.forms.get(item["code"] or "")
    for name, value in item["fields"].items():
        field = form.field(name) if form else None
        shown = str(value) if field is None else language.shown(field.kind, value)
        meant = f"  {shown}" if shown != str(value) else ""
        click.echo(f"  {name:<12} {' '.join(str(value).split())}{meant}")
    for problem in item["problems"]:
        field = form.field(problem["field"]) if form else None
        names = [language.shown(field.kind, one) for one in problem["options"]] if field else []
        offers = f": {' or '.join(names)}?" if names else ""
        click.echo(f"  {problem['field']:<12} {problem['given']!r} is {problem['reason']}{offers}")
    if item["missing"]:
        click.echo(f"  missing      {', '.join(item['missing'])}")
    if item["flags"]:
        click.echo(f"  flags        {', '.join(item['flags'])}")


def _print_line(
    line: str, number: int, now: str | None, sender: Literal["reporter", "officer"]
) -> None:
    try:
        given: Any = json.loads(line)
    except ValueError:
        given = None
    text = given.get("text") if isinstance(given, dict) else None
    if not isinstance(text, str):
        stop(f'line {number} of stdin is not a JSON object with "id" and "text"')
    place = _place(given.get("village"))
    moment = _moment(given.get("now") or now, place.zone)
    result = preview.read_and_answer(text, office().desk, moment, sender, place.name)
    click.echo(json.dumps({"id": given.get("id"), **result}, ensure_ascii=False))


class _Place:
    """A village as far as reading and answering need it."""

    def __init__(self, name: str, zone: ZoneInfo) -> None:
        self.name = name
        self.zone = zone


_places: dict[str | None, _Place] = {}


def _place(code: str | None) -> _Place:
    """Look a village up; without a code, the name stands for the village of whoever sends."""
    if code not in _places:
        default = office().settings.timezone
        if code is None:
            _places[code] = _Place("Oinlasi", default)
        else:
            with office().database.reading() as session:
                found = session.scalars(sa.select(Village).where(Village.code == code)).first()
            if found is None:
                stop(f"there is no village {code}; see `timpora villages import`")
            zone = ZoneInfo(found.timezone) if found.timezone else default
            _places[code] = _Place(found.name, zone)
    return _places[code]


def _moment(given: str | None, zone: ZoneInfo) -> datetime:
    if given is None:
        return clock.now().astimezone(zone)
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        stop(f"{given!r} is no ISO time such as 2026-11-25T10:00:00+08:00")
    return moment.astimezone(zone) if moment.tzinfo else moment.replace(tzinfo=zone)

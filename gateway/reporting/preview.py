"""What a text would be taken for and answered with, without storing anything."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any, Literal

from gateway.reporting.desk import Desk
from gateway.reporting.voice import Kept, Reply, Voice
from models.states import ReportState
from parsers import numbers, segments
from parsers.form import Command
from parsers.reading import Item, Outcome, read


def read_and_answer(
    text: str, desk: Desk, now: datetime, sender: Literal["reporter", "officer"], village: str
) -> dict[str, Any]:
    """Give items, reply, the reply's key and its segments, ready for JSON.

    Numbers in the reply are samples; nothing is looked up, so a command about a report is answered
    as if that report existed and had just come in.
    """
    reading = read(text, desk.language, now=now, sender=sender)
    reply = _reply(desk, reading.items, village)
    return {
        "items": [item.as_json() for item in reading.items],
        "reply": reply.text if reply else None,
        "reply_key": reply.key if reply else None,
        "segments": segments.measure(reply.text).segments if reply else 0,
    }


def _reply(desk: Desk, items: Sequence[Item], village: str) -> Reply | None:
    kept = [
        _kept(item, place, village)
        for place, item in enumerate(items, 1)
        if item.outcome in {Outcome.REPORT, Outcome.DRAFT}
    ]
    others = [item for item in items if item.outcome not in {Outcome.REPORT, Outcome.DRAFT}]
    refused = [one for one in others if one.outcome not in {Outcome.CHAT, Outcome.COMMAND}]
    if len(kept) == 1 and not refused:
        return desk.voice.kept(kept[0])
    if kept:
        return desk.voice.several(kept, refused)
    replies = [_of_other(desk, item, village) for item in others]
    return next((reply for reply in replies if reply is not None), None)


def _kept(item: Item, place: int, village: str) -> Kept:
    return Kept(
        code=item.code or "",
        fields=item.fields,
        missing=item.missing,
        problems=item.problems,
        urgency=item.urgency,
        flags=item.flags,
        number=_sample_number(place) if item.outcome is Outcome.REPORT else None,
        villages=(village,),
    )


@cache
def _sample_number(place: int) -> str:
    """Give the number of the n-th report of a text; numbers in a preview are nobody's."""
    return numbers.number_for(place, b"samples")


_SAMPLE_CODE = "123456"
#: What a command about a report is answered with, as if that report had just come in.
_ABOUT_A_REPORT = {
    "TAMBAH": "OK_TAMBAH",
    "BATAL": "OK_BATAL",
    "STATUS": "STATUS",
    "MASIH": "OK_MASIH",
}


def _of_other(desk: Desk, item: Item, village: str) -> Reply | None:
    voice = desk.voice
    if item.outcome is not Outcome.COMMAND:
        return voice.item(item)
    if item.code == "MENU":
        return Reply("MENU", desk.switchboard.texts.screen("MASUK_SMS", sandi=_SAMPLE_CODE))
    if item.code == "BANTU":
        return voice.help(str(item.fields.get("topic", "")))
    command = desk.language.commands[item.code or ""]
    if command.takes == "ref":
        return _about_a_report(voice, command, str(item.fields.get("ref", "")))
    return voice.say("OK_DAFTAR" if item.code == "DAFTAR" else "OK_BERHENTI", desa=village)


def _about_a_report(voice: Voice, command: Command, ref: str) -> Reply:
    if not ref:
        return voice.say("ERR_NOMOR_KURANG", kode=command.code)
    if command.not_open_yet:
        return voice.say("PETUGAS_BELUM", kode=command.code, no=ref)
    return voice.of_report(_ABOUT_A_REPORT[command.code], ref, "WNA", ReportState.RECEIVED)

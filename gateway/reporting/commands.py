"""What a sender asks for besides reporting: STATUS, TAMBAH, BATAL, MASIH, BANTU, DAFTAR ..."""

from dataclasses import replace
from datetime import datetime

from gateway import clock
from gateway.reporting import keeping
from gateway.reporting.rounds import Round
from gateway.reporting.senders import Sender
from gateway.reporting.voice import Reply, Voice
from models.report import Report
from models.states import ReportState
from parsers.reading import Item


def run(
    round_: Round, sender: Sender, item: Item, spoken_at: datetime
) -> tuple[Reply | None, Report | None]:
    """Do what a command asks; give the answer, if one is due, and the report that it is about."""
    voice = round_.desk.voice
    command = round_.desk.language.commands[item.code or ""]
    if command.takes != "ref":
        return _without_number(voice, sender, item), None
    number = item.fields.get("ref")
    if number is None:
        reply = voice.say("ERR_NOMOR_KURANG", kode=item.code or "")
        return replace(reply, for_anyone=command.officer), None
    if command.not_open_yet:
        reply = voice.say("PETUGAS_BELUM", kode=command.code, no=str(number))
        return replace(reply, for_anyone=True), None
    report, refusal = find(round_, sender, str(number), command.about)
    if report is None:
        return refusal, None
    return _about(round_, sender, item, report, spoken_at), report


def find(
    round_: Round, sender: Sender, number: str, about: str | None
) -> tuple[Report | None, Reply | None]:
    """Find the report that a number names, or say why not.

    What is about a guest may come from any phone of the village; all else only from the phone that
    sent the report. A wrong number, an unknown one and somebody else's get the same answer.
    """
    voice = round_.desk.voice
    report = keeping.own_report(round_.session, sender, number)
    if report is None and about is not None:
        report = keeping.villages_report(round_.session, sender, number, about)
    if report is None or report.number is None:
        return None, voice.say("ERR_NOMOR", x=number)
    if about is not None and report.code != about:
        return None, voice.of_report("ERR_BUKAN_WNA", number, report.code, report.state)
    if about is not None and report.state is ReportState.INVALID:
        # Of guests that were never there nobody leaves or stays.
        return None, voice.of_report("STATUS", number, report.code, report.state)
    return report, None


def _without_number(voice: Voice, sender: Sender, item: Item) -> Reply | None:
    match item.code:
        case "BANTU":
            return voice.help(str(item.fields.get("topic", "")))
        case "DAFTAR":
            return _remind_again(voice, sender)
        case "BERHENTI":
            return _stop_reminders(voice, sender)
    return None  # MENU, by itself, opens the menu; beside a report it is left out


def _about(  # one row of a table: each command needs another part
    round_: Round,
    sender: Sender,
    item: Item,
    report: Report,
    spoken_at: datetime,
) -> Reply:
    voice = round_.desk.voice
    number = report.number or ""
    match item.code:
        case "TAMBAH":
            text = str(item.fields.get("note", "")).strip()
            if not text:
                return voice.of_report("ERR_TAMBAH_KOSONG", number, report.code, report.state)
            keeping.add_note(round_, report, text, "added", spoken_at)
            return voice.of_report("OK_TAMBAH", number, report.code, report.state)
        case "MASIH":
            keeping.note_guest(round_, report, "still_here", sender)
            return voice.of_report("OK_MASIH", number, report.code, report.state)
        case "BATAL":
            key = keeping.withdraw(round_, report)
            return voice.of_report(key, number, report.code, report.state)
        case _:
            return voice.of_report("STATUS", number, report.code, report.state)


def _remind_again(voice: Voice, sender: Sender) -> Reply:
    if not sender.is_registered:
        return voice.say("ERR_BELUM_DAFTAR")
    sender.phone.reminders_stopped_at = None
    return voice.say("OK_DAFTAR", desa=", ".join(village.name for village in sender.villages))


def _stop_reminders(voice: Voice, sender: Sender) -> Reply | None:
    """Stop reminders, and say so once: to a second BERHENTI there is nothing to add."""
    if sender.phone.reminders_stopped_at is not None:
        return None
    sender.phone.reminders_stopped_at = clock.now()
    return replace(voice.say("OK_BERHENTI"), for_anyone=True)

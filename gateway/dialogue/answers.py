"""What the menu's states show: each question of the tree answered from the database.

Every look-up that shows people's data names itself, for the audit. By SMS, which stays on the phone
and lies open at the operator, a place is told by its kecamatan alone, and no note is shown.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gateway.dialogue.machine import Content, Option
from gateway.dialogue.screens import LONGEST_LABEL
from gateway.officers import figures
from gateway.officers.figures import ReportView, Scope, Waiting
from gateway.officers.institutions import Institution
from gateway.replies.catalogue import Catalogue
from models.officers import Officer
from models.people import Village
from parsers.form import URGENCIES
from parsers.language import Language
from parsers.masking import mask_documents
from parsers.msisdn import hide_numbers


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, by which way, and what the answer needs."""

    officer: Officer
    institution: Institution
    scope: Scope
    is_ussd: bool
    now: datetime
    zone: ZoneInfo
    language: Language
    texts: Catalogue

    @property
    def untold_by_village(self) -> tuple[str, ...]:
        """Name the codes of which this officer must not learn that a certain village sent one.

        With few villages in a kecamatan, the village alone names its reporter.
        """
        by_sms = () if self.is_ussd else self.language.forms.values()
        return (
            *self.institution.summary_only,
            *(form.code for form in by_sms if form.never_waits),
        )

    def word(self, name: str, **values: str) -> str:
        """Give a short word in the officer's language."""
        return self.texts.word(name, **values)


@dataclass(frozen=True, slots=True)
class Found:
    """What a question found, and what the audit keeps of the look; nothing where it is no look."""

    content: Content
    subject: str = ""


Answers = Mapping[str, str]
Question = Callable[[Session, Asker, Answers], Found]


def latest(session: Session, asker: Asker, _answers: Answers) -> Found:
    """List the latest reports of the area, the most urgent first."""
    without = [form.code for form in asker.language.forms.values() if form.denies]
    found = figures.latest(session, asker.scope, asker.now, without)
    return Found(
        Content(tuple(Option(str(one.id), _in_a_line(asker, one)) for one in found)),
        subject=asker.scope.area,
    )


def report(session: Session, asker: Asker, answers: Answers) -> Found:
    """Show one report, with what is missing in it."""
    found = figures.report_by_id(session, asker.scope, int(answers["report"]))
    if found is None:  # it has left the area, or the officer has
        return Found(Content(values={"kode": "", "no": ""}))
    return Found(_report(asker, found), subject=found.number or f"draft-{found.id}")


def _report(asker: Asker, view: ReportView) -> Content:
    word, form = asker.word, asker.language.forms[view.code]
    lang = asker.texts.language
    is_summary = view.code in asker.institution.summary_only
    local = view.received_at.astimezone(asker.zone)
    lines = [
        f"{word(f'urgensi_{view.urgency}')}, {word(f'state_{view.state.value}')}",
        f"{_place(asker, view, in_full=not is_summary)}, {local:%d/%m %H:%M}",
    ]
    if not view.verified:
        lines.append(word("belum_terverifikasi"))
    for field in form.fields:
        value = view.fields.get(field.name)
        is_told = field.wanted and field.kind != "place"
        if value is None or (is_summary and not is_told):
            continue
        if field.kind == "place" and not asker.is_ussd:
            continue  # a host's name: not for an SMS
        shown = (
            word("tidak_tahu") if value == "XX" else asker.language.shown(field.kind, value, lang)
        )
        lines.append(f"{field.label[lang].capitalize()}: {shown}")
    labels = {field.name: field.label[lang] for field in form.fields}
    labels["village"] = word("desa_mana")
    for name, lacking in (("kurang", view.missing), ("tidak_jelas", view.problems)):
        if lacking:
            lines.append(f"{word(name)}: {', '.join(labels.get(one, one) for one in lacking)}")
    if is_summary:
        lines.append(word("tidak_berhak"))
    elif view.note and asker.is_ussd:
        lines.append(f"{word('catatan')}: {hide_numbers(view.note)}")
    return Content(lines=tuple(lines), values={"kode": view.code, "no": view.number or "-"})


def _place(asker: Asker, view: ReportView, *, in_full: bool) -> str:
    if not view.kecamatan:
        return "-"
    if in_full and asker.is_ussd:
        return f"Ds {view.village}, {view.kecamatan}"
    return f"Kec {view.kecamatan}"


def _in_a_line(asker: Asker, view: ReportView) -> str:
    mark = "!" if view.urgency == URGENCIES[-1] else ""
    is_open = asker.is_ussd and view.code not in asker.institution.summary_only
    where = (view.village if is_open else view.kecamatan) or "?"
    head, age = f"{view.code}{mark} {view.number or '-'}", _age(asker, view.received_at)
    room = LONGEST_LABEL - len(head) - len(age) - 2
    return f"{head} {where[:room]} {age}"


def _age(asker: Asker, at: datetime) -> str:
    minutes = max(0, int((asker.now - at).total_seconds() // 60))
    for word, length in (("hari", 24 * 60), ("jam", 60)):
        if minutes >= length:
            return asker.word(word, n=str(minutes // length))
    return asker.word("menit", n=str(minutes))


def places(session: Session, asker: Asker, answers: Answers) -> Found:
    """List the parts of the officer's area, or of the part that was picked."""
    parts = figures.parts_of(session, answers.get("place", asker.scope.area))
    return Found(
        Content(
            tuple(
                Option(part.code, part.name, "village" if part.is_village else "places")
                for part in parts
            )
        )
    )


def village(session: Session, asker: Asker, answers: Answers) -> Found:
    """Show a village's last report, for how long it is silent, and its counts of this month."""
    code = answers["place"]
    begin, _ = figures.month_range(asker.now, 0, asker.zone)
    found = figures.village(session, asker.scope, code, begin, asker.untold_by_village)
    if found is None:
        return Found(Content(values={"desa": "-"}))
    word = asker.word
    lines = [f"Kec {found.kecamatan}"]
    if found.last is None:
        lines.append(word("belum_pernah"))
    else:
        days = (
            asker.now.astimezone(asker.zone).date()
            - found.last.received_at.astimezone(asker.zone).date()
        ).days
        lines += [
            f"{word('terakhir')}: {_in_a_line(asker, found.last)}",
            word("diam", n=str(days)),
        ]
    lines.append(f"{word('bulan_ini')}: {_counted(found.counts) or word('tidak_ada')}")
    return Found(Content(lines=tuple(lines), values={"desa": found.name}), subject=code)


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{code} {count}" for code, count in sorted(counts.items()))


#: More silent villages than this are shown by kecamatan first.
_MANY = 40


def silent(session: Session, asker: Asker, answers: Answers) -> Found:
    """List the villages that have sent nothing for so many days; many of them by kecamatan."""
    area = answers.get("place", asker.scope.area)
    before = asker.now - timedelta(days=int(answers["days"]))
    found = figures.silent_villages(session, asker.scope, area, before, asker.untold_by_village)
    if len(found) > _MANY:
        by_part = Counter(part for part, _, _ in found)
        parts = figures.parts_of(session, area)
        options = [
            Option(part.code, f"{part.name[:20]}: {by_part[part.code]}", "silent")
            for part in parts
            if by_part[part.code]
        ]
    else:
        options = [
            Option(place.code, f"{place.name[:18]} {_age(asker, at) if at else '-'}")
            for _, place, at in found
        ]
    return Found(Content(tuple(options)), subject=area)


def counts(session: Session, asker: Asker, answers: Answers) -> Found:
    """Count a month's reports by kecamatan."""
    begin, end = figures.month_range(asker.now, int(answers["month"]), asker.zone)
    found = figures.counts_by_kecamatan(session, asker.scope, begin, end)
    month = asker.language.months(asker.texts.language)[begin.month - 1]
    total: Counter[str] = Counter()
    for _, counted in found:
        total.update(counted)
    lines = [f"{month} {begin.year}: {_counted(total) or asker.word('tidak_ada')}"]
    lines += [f"{kecamatan}: {_counted(counted)}" for kecamatan, counted in found]
    return Found(Content(lines=tuple(lines)), subject=asker.scope.area)


def waiting(session: Session, asker: Asker, _answers: Answers) -> Found:
    """Count what waits for a person, by kind."""
    found = Counter(one.kind for one in figures.waiting(session, asker.scope))
    options = (
        Option(kind, f"{asker.word(f'menunggu_{kind}')}: {count}") for kind, count in found.items()
    )
    return Found(Content(tuple(options)), subject=asker.scope.area)


def waiting_some(session: Session, asker: Asker, answers: Answers) -> Found:
    """List what waits of one kind, the newest first."""
    found = _of_kind(figures.waiting(session, asker.scope), answers["kind"])
    return Found(
        Content(tuple(Option(one.id, _waiting_line(asker, one)) for one in found)),
        subject=f"{asker.scope.area} {answers['kind']}",
    )


def _of_kind(found: Iterable[Waiting], kind: str) -> list[Waiting]:
    return [one for one in found if one.kind == kind]


def _waiting_line(asker: Asker, one: Waiting) -> str:
    # A text in full stands on its own page only, and never in an SMS.
    said = one.text if asker.is_ussd or one.kind in {"draft", "unverified"} else one.id
    return f"{hide_numbers(said)[:20]} {_age(asker, one.at)}"


def waiting_one(session: Session, asker: Asker, answers: Answers) -> Found:
    """Show one thing that waits."""
    wanted = answers["waiting"]
    found = next((one for one in figures.waiting(session, asker.scope) if one.id == wanted), None)
    if found is None:  # it was handled meanwhile
        return Found(Content(lines=(asker.texts.screen("KOSONG"),)))
    kind, _, row_id = wanted.partition("-")
    if kind == "report":
        view = figures.report_by_id(session, asker.scope, int(row_id))
        if view is not None:
            content = _report(asker, view)
            head = " ".join(f"{view.code} {view.number or ''}".split())
            return Found(Content(lines=(head, *content.lines)), subject=wanted)
    local = found.at.astimezone(asker.zone)
    lines = [f"{local:%d/%m %H:%M}"]
    place = session.get(Village, found.village_code) if found.village_code else None
    if place is not None:
        lines.insert(0, f"Ds {place.name}" if asker.is_ussd else f"Kec {place.kecamatan}")
    if asker.is_ussd:
        text, _ = mask_documents(found.text)
        lines.append(hide_numbers(text))
    return Found(Content(lines=tuple(lines)), subject=wanted)


def texted(_session: Session, asker: Asker, answers: Answers) -> Found:
    """Say how many messages the list took."""
    count = answers.get("texted", "0")
    said = asker.word("terkirim", n=count) if count != "0" else asker.word("tak_ada_kiriman")
    return Found(Content(lines=(said,)))


def locked_officers(session: Session, asker: Asker, _answers: Answers) -> Found:
    """List the officers of the area who are locked out."""
    rows = session.scalars(
        sa.select(Officer)
        .where(
            Officer.ended_at.is_(None),
            Officer.locked_until > asker.now,
            sa.or_(
                Officer.area == asker.scope.area,
                Officer.area.startswith(f"{asker.scope.area}.", autoescape=True),
            ),
        )
        .order_by(Officer.id)
    )
    options = (Option(str(one.id), f"{one.name} ({one.institution})") for one in rows)
    return Found(Content(tuple(options)), subject=asker.scope.area)


#: Every question of the tree by its name.
QUESTIONS: Mapping[str, Question] = {
    one.__name__: one
    for one in (
        latest,
        report,
        places,
        village,
        silent,
        counts,
        waiting,
        waiting_some,
        waiting_one,
        texted,
        locked_officers,
    )
}

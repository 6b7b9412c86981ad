"""What we say: which text answers what was read and kept, and the values that stand in it.

Pure: it looks nothing up. Handling and `timpora parse` call the same functions, so a preview is
what would really go out.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from gateway.replies.catalogue import LONGEST, Catalogue
from models.states import ReportState
from parsers import segments
from parsers.form import Field, Form
from parsers.language import Language
from parsers.reading import Item, Problem, Reason

#: What a draft that lacks only its village lacks; no form has a field of that name.
VILLAGE = "village"

#: The urgency that goes before everything.
URGENT = "mendesak"

_SENTENCE_ENDS = re.compile(r"(?<=[.?]) ")

#: So many characters of what was written are quoted back.
_LONGEST_QUOTE = 10
#: So long may two options be, so that a label and a second gap have room beside them.
_LONGEST_OPTIONS = 26


@dataclass(frozen=True, slots=True)
class Reply:
    """One SMS to answer with."""

    key: str
    text: str
    has_number: bool = False
    """It carries a confirmation number, so it is never held back."""
    keeps_draft: bool = False
    """It asks for the rest of something that we keep."""
    for_anyone: bool = False
    """A phone that nobody registered hears it, too."""

    @property
    def is_capped(self) -> bool:
        """Say whether only so many of its kind are sent to a phone in an hour.

        Help, errors and ERR_SAMA are; a question about a kept draft is not, as the next short
        answer completes a report.
        """
        if self.keeps_draft:
            return False
        return self.key == "ERR_SAMA" or (
            not self.has_number and self.key.startswith(("ERR_", "BANTU"))
        )


@dataclass(frozen=True, slots=True)
class Kept:
    """A report or draft as far as a reply tells of it."""

    code: str
    fields: Mapping[str, int | str]
    missing: tuple[str, ...]
    problems: tuple[Problem, ...]
    urgency: str | None
    flags: tuple[str, ...]
    number: str | None
    """None: a draft."""
    villages: tuple[str, ...]
    """The name of its village; several when it is not known yet which of them."""

    @property
    def is_quiet(self) -> bool:
        """Say whether the sender asked for the shortest reply there is."""
        return "quiet" in self.flags


class Voice:
    """The texts of one language, filled with what a report says."""

    def __init__(self, language: Language, catalogue: Catalogue) -> None:
        """Take the forms and words, and the texts."""
        self._language = language
        self._catalogue = catalogue

    def say(self, key: str, **values: str) -> Reply:
        """Give a text that needs no report."""
        return Reply(key, self._catalogue.text(key, **values))

    def item(self, item: Item) -> Reply | None:
        """Answer something of which nothing is kept as a report: a question, a refusal, chat."""
        key = item.ask
        if key is None:
            return None
        given = item.problems[0].given if item.problems else ""
        return self.say(
            key,
            x=given or str(item.fields.get("ref", "")),
            kode=item.code or "",
            kode_kode=self._codes(),
        )

    def help(self, topic: str | None) -> Reply:
        """Explain the gateway, or one code."""
        form = self._language.forms.get(topic or "")
        if form is None:
            return self.say("BANTU")
        return self.say(form.replies.help, kode=form.code, contoh=form.example)

    def kept(self, kept: Kept) -> Reply:
        """Answer one report or draft: its number, what was understood, what is still asked."""
        form = self._language.forms[kept.code]
        if kept.number is None:
            return self.question(kept)
        asked = self._lacking(form, kept) if kept.missing != (VILLAGE,) or kept.problems else ""
        if kept.is_quiet:
            key = "OK_DIAM_KURANG" if asked else "OK_DIAM"
        elif asked:
            key = self._first_known(f"{form.replies.ok}_KURANG", "OK_LAPORAN_KURANG")
        elif len(kept.villages) > 1:
            key = "OK_DESA_PILIH" if len(kept.villages) == 2 else "OK_DESA"  # noqa: PLR2004
        elif kept.urgency == URGENT:
            key = self._first_known(f"{form.replies.ok}_MENDESAK", form.replies.ok)
        elif "masked_document" in kept.flags:
            key = "INFO_PASPOR"
        elif "ref" in kept.fields:
            key = self._first_known(f"{form.replies.ok}_NOMOR", form.replies.ok)
        else:
            key = self._first_known(form.replies.ok, "OK_LAPORAN")
        return Reply(
            key, self._catalogue.text(key, **self._values(form, kept, asked)), has_number=True
        )

    def several(self, kept: Sequence[Kept], refused: Sequence[Item]) -> Reply:
        """Answer several reports of one SMS: the numbers, and by name what is not in or lacks."""
        numbered = _by_code(kept)
        lacking = [(one.code, self._lacking(self._language.forms[one.code], one)) for one in kept]
        lacking = [(code, what) for code, what in lacking if what]
        lacking += [(item.code or item.problems[0].given, "") for item in refused]
        key = "OK_BANYAK_SEBAGIAN" if lacking else "OK_BANYAK"
        if not numbered:
            key = "ERR_BANYAK"
        if any(one.is_quiet for one in kept):
            # No code and no hint of what it was about.
            key = "OK_DIAM_BANYAK_KURANG" if lacking else "OK_DIAM_BANYAK"
            numbered = [f"No {one.number}" for one in kept if one.number is not None]
            lacking = [("", what) for _, what in lacking if what]
        text = self._catalogue.text(key, daftar=", ".join(numbered), apa=_listed(lacking))
        return Reply(key, text, has_number=bool(numbered), keeps_draft=not numbered)

    def needless(self, month: int, village: str, already: int) -> Reply:
        """Say that a month in which something was reported needs no report of nothing."""
        name = self._language.months(self._catalogue.language)[month - 1]
        return self.say("ERR_NIHIL_ADA", bulan=name, desa=village, n=str(already))

    def same(self, number: str) -> Reply:
        """Say that this very report is in already."""
        return Reply("ERR_SAMA", self._catalogue.text("ERR_SAMA", no=number), has_number=True)

    def of_report(self, key: str, number: str, code: str, state: ReportState) -> Reply:
        """Answer a command about one report."""
        status = self._catalogue.word(f"state_{state.value}")
        text = self._catalogue.text(key, no=number, kode=code, status=status)
        return Reply(key, text, has_number=True)

    def dated(self, reply: Reply, written_on: date) -> Reply:
        """Name the day of the message that is answered late; hints at the end give way to it."""
        day = self._catalogue.word("pesan_lama", tgl=f"{written_on.day}/{written_on.month}")
        sentences = _SENTENCE_ENDS.split(reply.text)
        while sentences:
            text = f"{day.strip()} {' '.join(sentences)}"
            if segments.measure(text).segments == 1:
                return replace(reply, text=text)
            sentences.pop()
        return reply

    def question(self, kept: Kept) -> Reply:
        """Ask for what a report lacks: first what is not clear, then what is missing."""
        form = self._language.forms[kept.code]
        values = self._values(form, kept, self._lacking(form, kept))
        if kept.is_quiet and (kept.problems or kept.missing != (VILLAGE,)):
            key = "DIAM_KURANG"
        elif kept.problems:
            key, more = self._problem(form, kept.problems[0])
            values |= more
        elif kept.missing == (VILLAGE,):
            key = "ERR_DESA_PILIH" if len(kept.villages) == 2 else "ERR_DESA"  # noqa: PLR2004
        elif len(kept.missing) == 1:
            key = _field(form, kept.missing[0]).ask or form.replies.incomplete
        else:
            key = form.replies.incomplete
        return Reply(key, self._catalogue.text(key, **values), keeps_draft=True)

    def _problem(self, form: Form, problem: Problem) -> tuple[str, dict[str, str]]:
        field = _field(form, problem.field)
        ask = field.ask or form.replies.incomplete
        values = {"x": problem.given}
        if problem.reason is Reason.AMBIGUOUS and len(problem.options) >= 2:  # noqa: PLR2004
            first, second, *_ = problem.options
            values |= {"pilih_a": self._shown(field, first), "pilih_b": self._shown(field, second)}
            return self._first_known(f"{ask}_PILIH", f"{ask}_KENAL", ask), values
        if problem.reason is Reason.CONTRADICTION and field.kind == "country":
            return "ERR_WNI", values  # the only country that contradicts a report is our own
        if problem.given:
            return self._first_known(f"{ask}_KENAL", ask), values
        return ask, values

    def _lacking(self, form: Form, kept: Kept) -> str:
        """Name by their labels the fields that are not clear, with what was written, or missing."""
        lacking = {}
        for problem in kept.problems:
            label = self._label(form, problem.field)
            lacking[problem.field] = f"{label}{self._unclear(form, problem)}"
        for name in kept.missing:
            lacking.setdefault(name, self._label(form, name))
        return ", ".join(lacking.values())

    def _unclear(self, form: Form, problem: Problem) -> str:
        """Give the two to choose from, as `1` and `2`, or what was written."""
        if problem.reason is Reason.AMBIGUOUS and len(problem.options) >= 2:  # noqa: PLR2004
            field = _field(form, problem.field)
            one, two = (self._shown(field, option) for option in problem.options[:2])
            options = f" (1 {one}, 2 {two})"
            if len(options) <= _LONGEST_OPTIONS:
                return options
        given = segments.shorten(problem.given, _LONGEST_QUOTE)
        return f' "{given}"' if given else ""

    def _label(self, form: Form, name: str) -> str:
        if name == VILLAGE:
            return self._catalogue.word("desa_mana")
        return _field(form, name).label[self._catalogue.language]

    def _values(self, form: Form, kept: Kept, lacking: str) -> dict[str, str]:
        word, fields = self._catalogue.word, kept.fields
        count = fields.get("count")
        villages = (*kept.villages, "", "")
        return {
            "no": kept.number or "",
            "n": str(len(kept.villages)),
            "kode": kept.code,
            "apa": lacking,
            "org": word("org", n=str(count)) if count else word("org_belum_tahu"),
            "negara": self._named(form, "country", fields) or word("negara_belum_tahu"),
            "tujuan": self._named(form, "purpose", fields),
            "ke": self._named(form, "destination", fields) or word("ke_belum_tahu"),
            "kapan": self._named(form, "event_date", fields) or word("kapan_belum_tahu"),
            "bulan": self._named(form, "month", fields),
            "ref": str(fields.get("ref", "")),
            "apa_terjadi": self._named(form, "kind", fields) or word("kejadian_belum_tahu"),
            "desa": villages[0] or word("desa_belum_tahu"),
            "desa_b": villages[1],
        }

    def _named(self, form: Form, name: str, fields: Mapping[str, int | str]) -> str:
        value = fields.get(name)
        if value is None or value == "XX":
            return ""
        return self._shown(_field(form, name), value)

    def _shown(self, field: Field, value: int | str) -> str:
        return self._language.shown(field.kind, value, self._catalogue.language)

    def _codes(self) -> str:
        """List the codes; an agency that added many is told of as many as there is room for."""
        codes, last = list(self._language.forms), "BANTU"
        listed = ", ".join(codes[:-1]) + self._catalogue.word("atau") + codes[-1]
        while len(listed) > LONGEST["kode_kode"] and codes:
            codes.pop()
            listed = ", ".join(codes) + self._catalogue.word("atau") + last
        return listed

    def _first_known(self, *keys: str) -> str:
        return next((key for key in keys if key in self._catalogue.texts), keys[-1])


def _by_code(kept: Sequence[Kept]) -> list[str]:
    """List the numbers given out, each code named once: `WNA No 104277, No 120779`."""
    numbers: dict[str, list[str]] = {}
    for one in kept:
        if one.number is not None:
            numbers.setdefault(one.code, []).append(f"No {one.number}")
    return [f"{code} {', '.join(given)}" for code, given in numbers.items()]


def _listed(lacking: Sequence[tuple[str, str]]) -> str:
    """List codes with what each lacks, or the codes alone where that would be cut."""
    whole = ", ".join(
        f"{code} ({what})" if code and what else code or what for code, what in lacking
    )
    if len(whole) <= LONGEST["apa"]:
        return whole
    return ", ".join(code for code, _ in lacking)


def _field(form: Form, name: str) -> Field:
    field = form.field(name)
    if field is None:
        raise KeyError(f"{form.code} has no field {name}")
    return field

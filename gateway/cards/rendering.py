"""From villages, report forms and texts to one page of HTML: pure, the same for file and browser.

The page is whole in itself: style and script stand in it, and nothing is fetched. It reads and
prints without the script, which only lets a button print.
"""

from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from gateway.cards.texts import CardTexts, Piece, pieces
from parsers.form import Form

_TEMPLATES = Path(__file__).parent / "templates"
_STYLE = (_TEMPLATES / "card.css").read_text(encoding="utf-8")
_SCRIPT = (_TEMPLATES / "print.js").read_text(encoding="utf-8")
#: Any number with a right check digit: nobody is to type this one.
_SAMPLE_NUMBER = "104277"
#: So many codes still leave room for large letters; more than the second need small ones.
_FEW, _SOME = 4, 6


def _source(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


#: Our own style and script, word for word, and nothing else from anywhere.
POLICY = (
    f"default-src 'none'; style-src {_source(_STYLE)}; script-src {_source(_SCRIPT)};"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_environment = Environment(
    loader=FileSystemLoader(_TEMPLATES),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
# Ours alone, so it goes in as it stands; escaped, neither would match its hash in POLICY.
_environment.globals |= {"style": Markup(_STYLE), "script": Markup(_SCRIPT)}  # noqa: S704


@dataclass(frozen=True, slots=True)
class Place:
    """A village as far as a card shows it."""

    code: str
    name: str
    kind: str
    kecamatan_code: str
    kecamatan: str


@dataclass(frozen=True, slots=True)
class _Line:
    """One report code on the card."""

    code: str
    title: str
    example: str
    wanted: tuple[str, ...]
    """Labels of what a whole report says."""
    enough: tuple[str, ...]
    """Labels of what says it all by itself."""


def cards(
    places: Sequence[Place], forms: Iterable[Form], texts: CardTexts, number: str | None
) -> str:
    """Draw a card for each village; without a number there is a line to write it on by hand."""
    lines = [_line(form, texts.language) for form in forms]
    first = lines[0].code if lines else ""

    def typed(text: str) -> Iterator[Piece]:
        return pieces(text, no=_SAMPLE_NUMBER, code=first)

    return _environment.get_template("card.html").render(
        places=places,
        lines=lines,
        size=_size(len(lines)),
        language=texts.language,
        t=texts.texts,
        mends=texts.mends.values(),
        typed=typed,
        number=number,
    )


def index(places: Iterable[Place]) -> str:
    """Draw the list of all villages, by kecamatan, each leading to its card."""
    in_order = sorted(places, key=lambda place: place.code)
    groups = [
        (code, list(some)) for code, some in groupby(in_order, lambda place: place.kecamatan_code)
    ]
    return _environment.get_template("index.html").render(groups=groups)


def _line(form: Form, language: str) -> _Line:
    wanted = tuple(field.label[language] for field in form.fields if field.wanted)
    alone = (form.field(name) for name in form.enough)
    enough = tuple(field.label[language] for field in alone if field is not None)
    return _Line(form.code, form.title[language], form.example, wanted, enough)


def _size(codes: int) -> str:
    if codes <= _FEW:
        return "large"
    return "middle" if codes <= _SOME else "small"

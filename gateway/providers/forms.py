"""Names and values of a form or a query, from raw bytes, whatever their encoding."""

from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

#: Words that providers give in place of an id that they do not have.
_NO_ID = {"", "none", "null"}
_DECLARED = {"iso-8859-1", "latin-1", "latin1", "windows-1252"}


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its value as text, and the very bytes, for who knows better how to read them."""

    name: str
    text: str
    raw: bytes
    was_odd: bool
    """Whether it was no UTF-8."""


def read_fields(raw_form: bytes, content_type: str = "") -> list[Field]:
    """Read all fields, in order: in UTF-8, else in the charset named, else in Latin-1.

    Werkzeug would give a bad escape as it stands, and no field at all for a raw bad byte.
    """
    charset = _charset(content_type)
    fields: list[Field] = []
    for pair in raw_form.split(b"&"):
        raw_name, _, raw_value = pair.partition(b"=")
        name, name_was_odd = _decode(_unescape(raw_name), charset)
        value = _unescape(raw_value)
        text, was_odd = _decode(value, charset)
        if name:
            fields.append(Field(name, text, value, was_odd or name_was_odd))
    return fields


def first_of_each(fields: list[Field]) -> dict[str, str]:
    """Give the value of each name; of one that is repeated the first counts."""
    found: dict[str, str] = {}
    for one in fields:
        found.setdefault(one.name, one.text)
    return found


def some_id(given: str) -> str | None:
    """Read an id: `null`, `None` and nothing are none."""
    given = given.strip()
    return None if given.lower() in _NO_ID else given


def _unescape(raw: bytes) -> bytes:
    return unquote_to_bytes(raw.replace(b"+", b" "))


def _decode(data: bytes, charset: str) -> tuple[str, bool]:
    try:
        return data.decode("utf-8"), False
    except UnicodeDecodeError:
        return data.decode(charset, "replace"), True


def _charset(content_type: str) -> str:
    for part in content_type.split(";")[1:]:
        name, _, value = part.strip().partition("=")
        if name.lower() == "charset" and value.strip('"').lower() in _DECLARED:
            return "windows-1252"
    return "latin-1"

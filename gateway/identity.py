"""Numbers in, ids out: the only code that reads or writes a phone number in the database."""

import hmac
import secrets
from collections.abc import Iterable
from hashlib import sha256
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gateway import clock, keys
from gateway.audit import Audit
from gateway.keys import derived_key
from models.database.statements import insert_many_unless_there, insert_unless_there, is_one_of
from models.people import Mark, Phone, PhoneKind
from parsers import msisdn
from parsers.msisdn import Sender

#: Digits and letters that are not taken for one another when read aloud or written by hand.
_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
_ALIAS_LENGTH = 4
#: A statement takes only so many parameters.
_CHUNK = 500
#: So many new phones at once would often draw an alias that is taken.
_MANY = 1000
_KEY_MARK = "secret_key_check"


class WrongKey(Exception):
    """The secret key is not the one that this database was made with."""


class KnownPhone(NamedTuple):
    """What is to be known of a phone to keep a message of it."""

    id: int
    lookup: str
    alias: str


class Directory:
    """Finds phones by number and numbers by phone, with the key that hides them."""

    def __init__(self, secret_key: str) -> None:
        """Derive the key of the look-up hashes, so that the secret itself signs nothing."""
        self._key = derived_key(secret_key, "phone look-up")
        self._digest_key = derived_key(secret_key, "message digests")

    def lookup(self, sender: Sender) -> str:
        """Give the keyed hash under which a sender stands in the table."""
        said = f"{sender.kind}:{sender.number}".encode("utf-8", "replace")
        return hmac.new(self._key, said, sha256).hexdigest()

    def digest(self, *parts: str) -> str:
        """Hash parts with a key: without one, who has the row could try every passport number."""
        return keys.digest(self._digest_key, *parts)

    def phone(self, session: Session, sender: Sender) -> Phone:
        """Find a sender's row, or make it; safe when two processes meet the same new phone."""
        lookup = self.lookup(sender)
        find = sa.select(Phone).where(Phone.lookup == lookup)
        length = _ALIAS_LENGTH
        while (found := session.scalars(find).one_or_none()) is None:
            values = {
                "kind": PhoneKind(sender.kind),
                "lookup": lookup,
                "number": sender.number,
                "alias": _alias(length),
                "created_at": clock.now(),
            }
            # None: somebody else has made the row, or the alias is taken and the next is longer.
            if insert_unless_there(session, Phone, values, Phone.id) is None:
                length += 1
        return found

    def phones(self, session: Session, senders: Iterable[Sender]) -> dict[Sender, KnownPhone]:
        """Find several senders in one statement, and make the rows that are not there."""
        wanted = {self.lookup(sender): sender for sender in senders}
        rows = session.execute(
            sa.select(Phone.id, Phone.lookup, Phone.alias).where(
                is_one_of(session, Phone.lookup, wanted)
            )
        )
        found = {wanted[row[1]]: KnownPhone(*row) for row in rows}
        # In one order, whoever makes them: two processes must not wait for each other.
        for lookup in sorted(wanted.keys()):
            sender = wanted[lookup]
            if sender not in found:
                made = self.phone(session, sender)
                found[sender] = KnownPhone(made.id, made.lookup, made.alias)
        return found

    def make_phones(self, session: Session, senders: Iterable[Sender]) -> dict[Sender, int]:
        """Find or make many senders' rows in few statements; give their ids."""
        wanted = {self.lookup(sender): sender for sender in senders}
        at = clock.now()
        length = _ALIAS_LENGTH + (2 if len(wanted) > _MANY else 0)
        values = [
            {
                "kind": PhoneKind(sender.kind),
                "lookup": lookup,
                "number": sender.number,
                "alias": _alias(length),
                "created_at": at,
            }
            for lookup, sender in wanted.items()
        ]
        insert_many_unless_there(session, Phone, values)
        ids: dict[Sender, int] = {}
        lookups = list(wanted)
        for start in range(0, len(lookups), _CHUNK):
            some = lookups[start : start + _CHUNK]
            rows = session.execute(sa.select(Phone.lookup, Phone.id).where(Phone.lookup.in_(some)))
            ids |= {wanted[lookup]: phone_id for lookup, phone_id in rows}
        # Whose alias was taken is not there yet, and gets another.
        ids |= {one: self.phone(session, one).id for one in wanted.values() if one not in ids}
        return ids

    def known(self, session: Session, sender: Sender) -> Phone | None:
        """Find a sender's row without making one."""
        return session.scalars(
            sa.select(Phone).where(Phone.lookup == self.lookup(sender))
        ).one_or_none()

    def named(self, session: Session, said: str) -> Phone | None:
        """Find the phone that a person names by number or alias; raise BadMsisdn for neither."""
        said = said.strip()
        if said.upper().startswith("P-"):
            return session.scalars(
                sa.select(Phone).where(Phone.alias == said.upper())
            ).one_or_none()
        return self.known(session, msisdn.read_sender(msisdn.normalise(said)))

    def conceal(self, session: Session, text: str) -> str:
        """Put aliases in place of the phone numbers in a text that nobody could read."""
        spans = msisdn.find_numbers(text)
        for start, end in reversed(spans):
            phone = self.phone(session, msisdn.read_sender(text[start:end]))
            text = f"{text[:start]}({phone.alias}){text[end:]}"
        return text

    def keep_key(self, session: Session) -> None:
        """Remember the key's check value in a new database; verify it in one that has one."""
        insert_unless_there(
            session, Mark, {"name": _KEY_MARK, "value": self._key_check()}, Mark.name
        )
        self.verify_key(session)

    def verify_key(self, session: Session) -> None:
        """Raise WrongKey when the database was made with another key."""
        kept = session.scalars(sa.select(Mark.value).where(Mark.name == _KEY_MARK)).one_or_none()
        if kept is not None and not hmac.compare_digest(kept, self._key_check()):
            raise WrongKey(
                "TIMPORA_SECRET_KEY is not the one that this database was made with: no phone in it"
                " would be recognised; set the old key, or start with a new database"
            )

    def _key_check(self) -> str:
        return hmac.new(self._key, b"check", sha256).hexdigest()


def _alias(length: int) -> str:
    return "P-" + "".join(secrets.choice(_ALPHABET) for _ in range(length))


def reveal(
    session: Session, audit: Audit, aliases: Iterable[str], actor: str, reason: str
) -> dict[str, str]:
    """Give the numbers behind aliases, and keep who looked at which and why."""
    numbers: dict[str, str] = {}
    wanted = sorted(set(aliases))
    for start in range(0, len(wanted), _CHUNK):
        some = wanted[start : start + _CHUNK]
        rows = session.execute(sa.select(Phone.alias, Phone.number).where(Phone.alias.in_(some)))
        numbers |= {alias: number for alias, number in rows}  # noqa: C416  # a Result has keys
    for alias in sorted(numbers):
        audit.write(session, actor=actor, action="number_revealed", subject=alias, reason=reason)
    return numbers

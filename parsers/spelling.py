"""Slips of the thumb in small words: mended before anybody asks what the words mean.

Only words that say how others are meant (`orang`, `kemarin`, `bulan`) are mended here, and the
halves of a word that a blank broke or joined. A misspelt country, purpose or destination is left
to its kind, which asks where two are meant; so is a misspelt code.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from rapidfuzz.distance import DamerauLevenshtein

from parsers.tokens import Token, TokenKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_SHORTEST_REPAIRED = 4
_TWO_EDITS_FROM = 8
_ANY_FIRST_LETTER_FROM = 6
_SHORTEST_PART = 3
_LONG = 6
_SHORTEST_PLACE = 5
#: So many strange words of a text are looked at; a text with more is none that a person typed.
_MOST_LOOKED_AT = 40
_MOST_REMEMBERED = 4096

ASKED_ABOUT = frozenset(["countries", "purposes", "destinations", "code", "vague_country"])
"""Domains whose misspelt words are not mended here: their kinds ask when they are not sure."""

_NEEDS_MORE = frozenset(["weekdays", "months", "numbers", "durations"])
"""Domains whose words put a value into a field by themselves: too much for a word that is near."""

_DONE, _LEFT, _MOVED = ("marks", "done"), ("marks", "left"), ("marks", "moved")
_HOME, _FOREIGNER = ("marks", "home"), ("marks", "foreigner")
_MONTH = ("marks", "month")
_WHICH_MONTH = frozenset(["ini", "lalu"])
_NOTHING: frozenset[tuple[str, str]] = frozenset()
_SAYS_LITTLE = frozenset(["ordinary", "places", "place_numbers"])
_EVERYDAY = frozenset([("ordinary", "ordinary")])
_BEFORE_A_DAY = frozenset(["tgl", "tanggal", "tg", "tgal"])
_BEFORE_A_MONTH = frozenset(["bulan", "bln", "tgl", "tanggal", "nihil", "nhl", "kosong"])
_POLITE = frozenset(["courtesy", "marks", "ordinary"])

_SHORT_MONTH = 4

_SHORT_BUT_SURE = frozenset(["ke", "di", "dr", "pi", "su", "td", "rt", "rw"])
"""Words of two letters that people leave the blank away after."""


class Known(NamedTuple):
    """A word of the vocabulary: the domains in which it stands alone, and all that it can mean."""

    domains: frozenset[str]
    meanings: frozenset[tuple[str, str]]


class _Beside(NamedTuple):
    """The words around a misspelt one; what stands behind a mark or glued on is not beside it."""

    earlier: Token | None
    before: Token | None
    after: Token | None


class Spelling:
    """Every single word of the vocabulary, found by what is left when letters are left out."""

    def __init__(
        self,
        words: Mapping[str, Known],
        pairs: frozenset[tuple[str, str]],
        names_follow: frozenset[str],
    ) -> None:
        """Index the words; `pairs` are those that stand side by side in a phrase.

        People's and places' names stand after `names_follow`; a name is never taken for a
        misspelt word.
        """
        self._words = words
        self._pairs = pairs
        self._names_follow = names_follow
        #: Names and the like come again and again; what they are near is worked out once.
        self.near = lru_cache(_MOST_REMEMBERED)(self._near)
        self._longest = max(map(len, words), default=0) + 2
        self._by_rest: dict[str, tuple[str, ...]] = {}
        for word in words:
            if len(word) >= _SHORTEST_REPAIRED and word.isalpha():
                alone = (word,)  # one for nearly all that is left of it: there are 40,000 of those
                for rest in _rests(word, 2 if len(word) >= _TWO_EDITS_FROM - 2 else 1):
                    others = self._by_rest.get(rest)
                    self._by_rest[rest] = alone if others is None else (*others, word)

    def mended(self, tokens: list[Token]) -> list[Token]:
        """Give the tokens with slips in small words mended; each keeps its place in the text."""
        mended: list[Token] = []
        looked_at = 0
        at = 0
        in_name = False
        while at < len(tokens):
            token = tokens[at]
            is_strange = token.kind is TokenKind.WORD and token.text not in self._words
            led = bool(mended) and (in_name or mended[-1].text in self._names_follow)
            in_name = is_strange and led and token.gap == " "
            joined = self._joined(tokens, at) if token.kind is TokenKind.WORD else None
            if joined is not None:
                mended.append(joined)
                at += 2
                continue
            at += 1
            if not is_strange or looked_at == _MOST_LOOKED_AT:
                mended.append(token)
                continue
            looked_at += 1
            beside = _Beside(
                mended[-2] if len(mended) > 1 else None,
                mended[-1] if mended else None,
                tokens[at] if at < len(tokens) and tokens[at].gap == " " else None,
            )
            mended += [self._title(token)] if in_name else self._mended(token, beside)
        return mended

    def _near(self, typed: str) -> Mapping[str, int]:
        """Find the words within the edits that a word of that length may have, with their number.

        One edit (a letter more, less, another or swapped) from four letters, two from eight.
        """
        if not _SHORTEST_REPAIRED <= len(typed) <= self._longest:
            return {}
        limit = 2 if len(typed) >= _TWO_EDITS_FROM else 1
        seen: dict[str, int] = {}
        for rest in _rests(typed, limit):
            for word in self._by_rest.get(rest, ()):
                if word not in seen:
                    seen[word] = DamerauLevenshtein.distance(typed, word)
        return {word: distance for word, distance in seen.items() if distance <= limit}

    def says_something(self, word: str) -> bool:
        """Tell a small word of the grammar from one of everyday talk and from a place."""
        return bool(self._words[word].domains - _SAYS_LITTLE)

    def _joined(self, tokens: Sequence[Token], at: int) -> Token | None:
        """See `ora ng`: two halves of a word, of which at least one is no word."""
        token = tokens[at]
        after = tokens[at + 1] if at + 1 < len(tokens) else None
        if after is None or after.gap != " " or after.kind is not TokenKind.WORD:
            return None
        is_broken = 1 in (len(token.text), len(after.text))
        if token.text in self._words and after.text in self._words and not is_broken:
            return None
        word = token.text + after.text
        if word not in self._words:
            return None
        return Token(TokenKind.WORD, word, token.start, after.end, token.gap)

    def _title(self, token: Token) -> Token:
        """Mend what stands in a name's place only where it is a title itself: `bpk camt`."""
        near = self.near(token.text)
        titles = [word for word in near if self._words[word].domains <= _POLITE]
        return token._replace(text=titles[0]) if len(titles) == len(near) == 1 else token

    def _mended(self, token: Token, beside: _Beside) -> list[Token]:
        single = self._undoubled(token.text)
        near = self.near(token.text)
        # `1 jaan` may be `jalan`: no month.
        if single is not None and (
            not near
            or "months" not in self._words[single].domains
            or self._is_led(single, token, beside)
        ):
            return [token._replace(text=single)]
        halves = self._split(token, beside.before)
        if halves and (
            self._is_counted(halves[0].text, beside.before)
            or not self._is_rather_one(halves[1].text, near)
        ):
            return halves
        if not near:
            return [token]
        return [self._repaired(token, near, beside)]

    def _is_rather_one(self, second: str, near: Mapping[str, int]) -> bool:
        """Tell one misspelt word from two without the blank: `mblasia` has no Asia in it."""
        nearest = [word for word, distance in near.items() if distance == 1]
        if not nearest:
            return False
        # `keBali` is no slip of `kembali`: a goal stands behind the little word.
        is_goal = len(second) > _SHORTEST_PART and self._is_asked_about(second)
        return not is_goal or any(self._is_asked_about(word) for word in nearest)

    def _undoubled(self, typed: str) -> str | None:
        """See `oorg`: a key that was pressed twice, also in a word too short for other repairs."""
        rests = {
            typed[:at] + typed[at + 1 :]
            for at in range(len(typed) - 1)
            if typed[at] == typed[at + 1]
        }
        known = [rest for rest in rests if rest in self._words]
        if len(known) != 1 or ("code", known[0].upper()) in self._words[known[0]].meanings:
            return None
        return known[0]

    def _split(self, token: Token, before: Token | None) -> list[Token]:
        """See `pimalaysia`: two words without the blank, where only one cut gives two words."""
        word = token.text
        if token.end - token.start != len(word):
            return []
        cuts = [
            cut
            for cut in range(2, len(word) - 1)
            if (self._is_part(word[:cut]) or self._is_counted(word[:cut], before))
            and self._is_part(word[cut:])
        ]
        if len(cuts) != 1:
            cuts = self._place_cuts(word)
        if len(cuts) != 1:
            return []
        middle = token.start + cuts[0]
        return [
            Token(TokenKind.WORD, word[: cuts[0]], token.start, middle, token.gap),
            Token(TokenKind.WORD, word[cuts[0] :], middle, token.end, ""),
        ]

    def _place_cuts(self, word: str) -> list[int]:
        """See `gerejaebenhaezer`: a word for a place, and the name that nobody knows."""
        return [
            cut
            for cut in range(_SHORTEST_PLACE, len(word) - _SHORTEST_PART + 1)
            if word[:cut] in self._words and "places" in self._words[word[:cut]].domains
        ][-1:]

    def _is_counted(self, part: str, before: Token | None) -> bool:
        """See `12 thdi pasar`: a unit that belongs to the number before it, however short."""
        is_unit = part in self._words and "units" in self._words[part].domains
        return is_unit and before is not None and before.kind is TokenKind.NUMBER

    def _is_asked_about(self, word: str) -> bool:
        known = self._words.get(word)
        return known is not None and bool(known.domains & ASKED_ABOUT)

    def _is_left_to_its_kind(self, word: str) -> bool:
        """Tell a word that only its kind may mend; one for an emergency is too long to be another.

        `KECELKAAN` that goes unread makes an ordinary guest of somebody who is hurt.
        """
        is_emergency = "emergencies" in self._words[word].domains
        return self._is_asked_about(word) and not (is_emergency and len(word) > _LONG)

    def _is_part(self, part: str) -> bool:
        is_long = len(part) >= _SHORTEST_PART
        return part in self._words and (is_long or part in _SHORT_BUT_SURE)

    def _repaired(self, token: Token, near: Mapping[str, int], beside: _Beside) -> Token:
        """Mend one word, where a single small word is near and nothing that must be asked about."""
        expected = self._expected(near, beside)
        if expected is not None:
            return token._replace(text=expected)
        if any(self._is_left_to_its_kind(word) for word in near):
            return token
        best = min(near.values())
        nearest = [
            word
            for word, distance in near.items()
            if distance == best or (distance == best + 1 and self.says_something(word))
        ]
        word = min(nearest, key=lambda one: (near[one], abs(len(one) - len(token.text)), one))
        meanings = self._words[word].meanings - _EVERYDAY
        if not meanings or any(not meanings & self._words[one].meanings for one in nearest):
            return token
        if self._words[word].domains & _NEEDS_MORE and not self._is_led(word, token, beside):
            return token
        typed = token.text
        is_swapped = word[:2] == typed[1::-1]
        if word[0] != typed[0] and not is_swapped and len(typed) < _ANY_FIRST_LETTER_FROM:
            return token  # most names differ from a word in their first letter
        return token._replace(text=word)

    def _expected(self, near: Mapping[str, int], beside: _Beside) -> str | None:
        """Choose the word that its neighbours let expect.

        `3 haro` is `hari`: what is counted stands behind a number. `su pulag`, `turis pulag` is a
        leave: what has happened stands behind `su`. `todak tahu` is a phrase that people write.
        """
        before, after = beside.before, beside.after
        led_by = self._meanings(before.text) if before is not None else _NOTHING
        leads = self._meanings(after.text) if after is not None else _NOTHING
        meant: tuple[str, str] | None = None
        if _LEFT in leads:
            meant = _DONE
        elif after is not None and self._is_month(after):
            meant = _MONTH
        elif not led_by.isdisjoint((_DONE, _LEFT, _MOVED)):
            meant = _LEFT
        elif _FOREIGNER in led_by:
            meant = _HOME
        word = next((word for word in near if meant in self._meanings(word)), None)
        if word is not None:
            return word
        if before is not None and before.kind is TokenKind.NUMBER:
            units = [word for word in near if "units" in self._words[word].domains]
            if units:
                is_one = len({self._words[word].meanings for word in units}) == 1
                return units[0] if is_one else None
        return self._paired(near, beside)

    def _is_month(self, token: Token) -> bool:
        return token.kind is TokenKind.NUMBER or token.text in _WHICH_MONTH

    def _paired(self, near: Mapping[str, int], beside: _Beside) -> str | None:
        """Choose the word that makes a phrase with its neighbour, where no other is nearer."""
        before, after = beside.before, beside.after
        paired = [
            word
            for word in near
            if (before is not None and (before.text, word) in self._pairs)
            or (after is not None and (word, after.text) in self._pairs)
        ]
        if not paired:
            return None
        # A word that stands in phrases only has no other meaning (`belas` and `blas`).
        meant = [self._meanings(word) for word in paired if self._words[word].domains]
        if meant and not frozenset.intersection(*meant):
            return None
        word = min(paired, key=lambda word: (near[word], word))
        return word if near[word] == min(near.values()) else None

    def _meanings(self, word: str) -> frozenset[tuple[str, str]]:
        known = self._words.get(word)
        return known.meanings if known is not None else _NOTHING

    def _is_led(self, word: str, token: Token, beside: _Beside) -> bool:
        """Tell a month that stands in a month's place, or that is too long to be anything else."""
        if "months" not in self._words[word].domains:
            return False
        if len(token.text) >= _ANY_FIRST_LETTER_FROM:
            return True
        # `1 jaan`: behind a number a short word may be any.
        earlier, before = beside.earlier, beside.before
        is_counted = before is not None and before.kind is TokenKind.NUMBER
        is_named = before is not None and before.text in _BEFORE_A_MONTH
        is_dated = earlier is not None and earlier.text in _BEFORE_A_DAY
        return is_named or (is_counted and (is_dated or len(token.text) > _SHORT_MONTH))


def _rests(word: str, edits: int) -> Iterable[str]:
    """Give a word and what is left of it with one letter left out, or two."""
    rests = {word}
    for _ in range(edits):
        rests |= {one[:at] + one[at + 1 :] for one in rests for at in range(len(one))}
    return rests

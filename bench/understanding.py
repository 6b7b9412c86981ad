"""How well, and how fast, texts are understood: the corpus, slips in it, and odd texts.

`python -m bench.understanding` prints the whole report.
"""

import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support.corpus import by_hand, code_of, judge, varied  # they need the path above
from support.slips import Became, clean_messages, patterns, slips, what_became

from bench.figures import Figure
from parsers.language import Language
from parsers.loading import load
from parsers.reading import LONGEST, read

TUNED = tuple(f"reports_{letter}" for letter in "abcdefghij")
ORDINARY = ("reports_a", "reports_b", "reports_c", "held_out", "held_out_b")
HELD_OUT = ("held_out", "held_out_b")
PATTERNS = ("patterns_a", "patterns_b")
_FILLINGS = 12
_SLIPS = 10_000
_PASSES = 3
_ODD_TEXTS = 600
_NOW = datetime(2026, 11, 25, 10, 10, tzinfo=ZoneInfo("Asia/Makassar"))
_SEED = 20261125
#: What makes a reader slow, if anything does.
_ODD_WORDS = (
    "di",
    "2",
    "rt,",
    "(",
    "austrila",
    "xqzw",
    "tidak tahu",
    "nihil",
    "korea",
    "paspor A1234567",
    "5302 0112 0390 0001",
    "2 org",
    "pergi",
    "sakit",
    "wna 2",
    "12/3",
    "\n",
    "#",
    "anak umur",
    "oinlasi",
)


def measure() -> Iterator[Figure]:
    """Give the figures that `make bench` prints."""
    language = load()
    for name, messages in (("", by_hand(*ORDINARY)), (", stories too", by_hand(*TUNED, *HELD_OUT))):
        length = sum(len(message.text) for message in messages) / len(messages)
        what = f"texts of {length:.0f} characters read in a second, one core{name}"
        yield Figure(what, f"{_speed(messages, language):.0f}")
    for name, messages in _corpora():
        right, wrong, asked, number = _shares(messages, language)
        yield Figure(f"{name}, {number} messages: right", f"{right:.2%}")
        yield Figure(f"{name}: stored wrong", f"{wrong:.2%}")
        yield Figure(f"{name}: asked for or left to the officer", f"{asked:.2%}")
    for name, messages in (("patterns", patterns()), ("by hand", by_hand(*TUNED, *HELD_OUT))):
        became = _after_slips(messages, language)
        for what in Became:
            yield Figure(f"{_SLIPS} slips, {name}: {what}", f"{became[what] / _SLIPS:.2%}")
    slowest, usual = _odd_texts(language)
    yield Figure(f"odd texts of {LONGEST} characters: slowest, ms", f"{slowest:.1f}")
    yield Figure("odd texts: half of them within, ms", f"{usual:.1f}")


def _corpora() -> list[tuple[str, Sequence]]:
    return [
        ("tuned on", by_hand(*TUNED)),
        ("held out", by_hand(*HELD_OUT)),
        ("patterns filled", varied(*PATTERNS, times=_FILLINGS)),
    ]


def _shares(messages: Sequence, language: Language) -> tuple[float, float, float, int]:
    verdicts = [judge(message, language) for message in messages]
    number = len(verdicts)
    right = sum(one.is_right for one in verdicts) / number
    wrong = sum(one.is_wrongly_stored for one in verdicts) / number
    return right, wrong, 1 - right - wrong, number


def _after_slips(messages: Sequence, language: Language) -> Counter:
    clean = clean_messages(messages, language)
    return Counter(what_became(slip, language) for slip in slips(clean, _SLIPS))


def _speed(messages: Sequence, language: Language) -> float:
    best = 0.0
    for _ in range(_PASSES):
        began = time.perf_counter()
        for message in messages:
            read(message.text, language, now=message.now)
        best = max(best, len(messages) / (time.perf_counter() - began))
    return best


def _odd_texts(language: Language) -> tuple[float, float]:
    """Read odd texts of the longest length that is looked at, each twice; give milliseconds."""
    times = sorted(min(_time(text, language), _time(text, language)) for text in _make_odd_texts())
    return times[-1], times[len(times) // 2]


def _time(text: str, language: Language) -> float:
    """Time one reading in which no misspelt word is known from before."""
    language.words.forget()
    began = time.perf_counter()
    read(text, language, now=_NOW)
    return (time.perf_counter() - began) * 1000


def _make_odd_texts() -> Iterator[str]:
    chance = random.Random(_SEED)  # noqa: S311  # the same texts each time
    heads = ("", "WNA ", "PERGI ", "PMI ", "CURIGA ", "DARURAT ", "NIHIL ")
    for word in _ODD_WORDS:
        for head in heads:
            for joint in (" ", "#", "\n", ", ", ""):
                yield (head + joint.join([word] * LONGEST))[:LONGEST]
    for _ in range(_ODD_TEXTS):
        words = [chance.choice(_ODD_WORDS) for _ in range(LONGEST)]
        yield (chance.choice(heads) + " ".join(words))[:LONGEST]
    for _ in range(_ODD_TEXTS):
        letters = ["".join(chance.choices("abcdegiklmnoprstu", k=7)) for _ in range(LONGEST)]
        yield (chance.choice(heads) + " ".join(letters))[:LONGEST]
        signs = "".join(chr(chance.randrange(0xA0, 0xD7FF)) for _ in range(LONGEST))
        yield (chance.choice(heads) + signs)[:LONGEST]
        yield (chance.choice(heads) + "".join(chance.choices("abegikmnorstu", k=LONGEST)))[:LONGEST]


def report() -> None:
    """Print the figures by code, then those of `measure`."""
    language = load()
    for one in measure():
        print(f"{one.what:<56} {one.figure:>10}")  # noqa: T201
    for name, messages in _corpora():
        codes: dict[str, list] = {}
        for message in messages:
            codes.setdefault(code_of(message), []).append(message)
        print(f"{name:<16} {'messages':>9} {'right':>8} {'wrong':>8} {'asked':>8}")  # noqa: T201
        for code, own in codes.items():
            right, wrong, asked, number = _shares(own, language)
            print(f"  {code:<14} {number:>9} {right:>8.1%} {wrong:>8.2%} {asked:>8.1%}")  # noqa: T201


if __name__ == "__main__":
    report()

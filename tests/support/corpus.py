"""Messages as village heads write them, with the reading that is right, and how a reading differs.

`tests/corpus/` was written by hand from the grammar and the field notes, apart from the vocabulary:
`reports_*.jsonl` were used while the reader was tuned, `held_out.jsonl` was not. `patterns_*.jsonl`
have slots, filled from `slots.toml` by a fixed seed.
"""

import json
import random
import re
import tomllib
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from parsers.reading import read

CORPUS = Path(__file__).resolve().parents[1] / "corpus"
VILLAGE_ZONE = timezone(timedelta(hours=8))
USUAL_MOMENT = "2026-11-25T09:00:00+08:00"
_SLOT = re.compile(r"\{(\w+)\}")
_SEED = 20261125


@dataclass(frozen=True)
class Message:
    """One text and the items that it should read as."""

    id: str
    text: str
    now: datetime
    items: list


@dataclass(frozen=True)
class Verdict:
    """How a reading compares: right in all, stored with something wrong, and what differs."""

    message: Message
    is_right: bool
    is_wrongly_stored: bool
    differences: tuple


def by_hand(*names):
    """Give the messages of the files so named, as written."""
    return [_message(line) for name in names for line in _lines(name)]


def varied(*names, times):
    """Give each pattern of the files filled so many times, never twice the same."""
    slots = tomllib.loads((CORPUS / "slots.toml").read_text(encoding="utf-8"))
    chance = random.Random(_SEED)  # noqa: S311  # the same messages each time
    messages, seen = [], set()
    for name in names:
        for line in _lines(name):
            for turn in range(times):
                filled = _fill(line, slots, chance)
                if filled["text"] not in seen:
                    seen.add(filled["text"])
                    messages.append(_message({**filled, "id": f"{line['id']}-{turn}"}))
    return messages


def judge(message, language):
    """Read a message and compare."""
    items = read(message.text, language, now=message.now).items
    differences = []
    if len(items) != len(message.items):
        differences.append(f"{len(items)} items for {len(message.items)}")
    wrong = False
    for found, wanted in zip(items, message.items, strict=False):
        differences += _differences(found, wanted)
        wrong = wrong or _is_wrongly_stored(found, wanted)
    more = items[len(message.items) :]
    wrong = wrong or any(one.outcome == "report" for one in more)
    return Verdict(message, not differences, wrong, tuple(differences))


def code_of(message):
    """Name the code by which figures are told."""
    return message.items[0]["code"] or "chat"


def _lines(name):
    path = CORPUS / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def _message(line):
    moment = datetime.fromisoformat(line.get("now", USUAL_MOMENT)).astimezone(VILLAGE_ZONE)
    return Message(line["id"], line["text"], moment, line["items"])


def _fill(line, slots, chance):
    chosen, meant = {}, {}
    for slot in sorted(set(_SLOT.findall(json.dumps(line, ensure_ascii=False)))):
        if slot == "n":
            chosen[slot] = str(chance.randint(2, 30))
            meant[slot] = int(chosen[slot])
        elif slot in slots["plain"]:
            chosen[slot] = meant[slot] = chance.choice(slots["plain"][slot])
        else:
            chosen[slot] = chance.choice(list(slots[slot]))
            meant[slot] = slots[slot][chosen[slot]]
    text = _SLOT.sub(lambda found: chosen[found[1]], line["text"])
    return {**line, "text": text, "items": _put(line["items"], meant, chosen)}


def _put(value, meant, chosen):
    """Put values in the places of slots; a slot inside other words is filled as typed."""
    if isinstance(value, dict):
        return {key: _put(one, meant, chosen) for key, one in value.items()}
    if isinstance(value, list):
        return [_put(one, meant, chosen) for one in value]
    if not isinstance(value, str):
        return value
    whole = _SLOT.fullmatch(value)
    if whole:
        return meant[whole[1]]
    return _SLOT.sub(lambda found: chosen[found[1]], value)


def _fields(found, wanted):
    """Give what is compared: a place only where it is beyond doubt, a note never."""
    fields = {name: value for name, value in found.fields.items() if name not in ("note", "place")}
    right = dict(wanted["fields"])
    if "place" in wanted:
        right["place"] = wanted["place"]
        if "place" in found.fields:
            fields["place"] = found.fields["place"]
    return fields, right


def _differences(found, wanted):
    fields, right = _fields(found, wanted)
    differences = []
    code = found.code if "code" in wanted.get("loose", ()) else wanted["code"]
    if (found.outcome, found.code) != (wanted["outcome"], code):
        differences.append(f"{found.outcome} {found.code} for {wanted['outcome']} {wanted['code']}")
    if "fields" in wanted.get("loose", ()):
        return differences
    differences += [
        f"{name} {fields.get(name)!r} for {right.get(name)!r}"
        for name in sorted(fields.keys() | right.keys())
        if fields.get(name) != right.get(name)
    ]
    return differences


def lesser_differences(message, language):
    """Compare what is asked for, the urgency and the flags, where the items agree in number."""
    items = read(message.text, language, now=message.now).items
    differences = []
    for found, wanted in zip(items, message.items, strict=False):
        loose = wanted.get("loose", ())
        missing = set(found.missing) - ({"place"} if "place" not in wanted["missing"] else set())
        if "missing" not in loose and missing != set(wanted["missing"]):
            differences.append(f"missing {sorted(missing)} for {sorted(wanted['missing'])}")
        problems = sorted((one.field, one.reason.value) for one in found.problems)
        right = sorted((field, reason) for field, reason in wanted["problems"])
        if "reasons" in loose:
            problems, right = [one for one, _ in problems], [one for one, _ in right]
        if "problems" not in loose and problems != right:
            differences.append(f"problems {problems} for {wanted['problems']}")
        if "urgency" in wanted and found.urgency != wanted["urgency"]:
            differences.append(f"urgency {found.urgency} for {wanted['urgency']}")
        lacking = set(wanted.get("flags", ())) - set(found.flags)
        needless = set(wanted.get("noflags", ())) & set(found.flags)
        if lacking or needless:
            differences.append(f"flags lack {sorted(lacking)}, needless {sorted(needless)}")
    return differences


def _is_wrongly_stored(found, wanted):
    """Tell a stored report with a value that is not the right one, or that should not be one."""
    if found.outcome != "report":
        return False
    if wanted["outcome"] != "report" or found.code != wanted["code"]:
        # A draft may be stored for what is never held back; anything else is a wrong report.
        return True
    fields, right = _fields(found, wanted)
    return any(name != "place" and value != right.get(name) for name, value in fields.items())

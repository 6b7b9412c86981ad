"""The texts that are sent in measurements: all different, and understood by us and by the peer."""

from datetime import UTC, datetime
from urllib.parse import urlencode

from support.payloads import phone

from gateway.roster.villages import shipped_rows

#: Nonohonis and its 277 neighbours: each phone reports for one, as in the field.
VILLAGES = [str(row.cells["code"]) for row in shipped_rows()]
_COUNTRIES = ("Australia", "Jerman", "Belanda", "Cina", "Jepang", "Prancis", "India", "Italia")
_PURPOSES = ("wisata", "keluarga", "bisnis", "penelitian", "rohani")
_DESTINATIONS = ("Malaysia", "Batam", "Kalimantan", "Singapura", "Medan", "Nunukan")
_MONTHS = (
    *("Januari", "Februari", "Maret", "April", "Mei", "Juni"),
    *("Juli", "Agustus", "September", "Oktober", "November", "Desember"),
)


def mixed(number: int, phones: int) -> str:
    """Give the text of a message: of ten six are WNA, three PMI, one NIHIL.

    No phone sends the same text twice, which would be answered as `the same again`; NIHIL has only
    its twelve months for that, and becomes WNA when they are used up.
    """
    round_ = number // phones
    kind = (number + round_) % 10
    if kind == 9 and round_ // 10 < len(_MONTHS):
        return f"NIHIL {_MONTHS[round_ // 10]}"
    if kind >= 6:
        destination = _DESTINATIONS[number % len(_DESTINATIONS)]
        return f"PMI {number % 9 + 1} {destination} besok kapal rumah {number}"
    country = _COUNTRIES[number % len(_COUNTRIES)]
    purpose = _PURPOSES[number // 7 % len(_PURPOSES)]
    return f"WNA {number % 20 + 1} {country} {purpose} rumah {number}"


def form(text: str, sender: str, identifier: str) -> str:
    """Give the body of a post as Africa's Talking makes it; the peer reads `from` and `text`."""
    return urlencode(
        {
            "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S"),
            "from": sender,
            "id": identifier,
            "linkId": "",
            "text": text,
            "to": "31234",
            "networkCode": "51010",
            "cost": "KES 0.00",
        }
    )


def mixed_forms(first: int, number: int, phones: int) -> list[str]:
    """Give so many posts of the mix, from phones in turn, beginning with this message."""
    return [
        form(mixed(n, phones), phone(n % phones + 1), f"bench-{n}")
        for n in range(first, first + number)
    ]


def roster(phones: int, villages: list[str]) -> str:
    """Give a roster file: each phone is a village's, one village after the other."""
    rows = [f"{phone(n + 1)},Kades {n},kades,{villages[n % len(villages)]}" for n in range(phones)]
    return "\n".join(["phone,name,role,village_code", *rows]) + "\n"

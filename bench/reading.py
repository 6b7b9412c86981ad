"""How many texts are understood in a second, on one core."""

import time
from collections.abc import Iterator
from datetime import datetime
from itertools import cycle, islice
from zoneinfo import ZoneInfo

from parsers import loading
from parsers.reading import read

TEXTS = (
    "WNA#Australia#2#wisata#homestay Bpk Anin Fatumnasi#3 hari",
    "wna timor leste 1 org kunjung keluarga di rmh bpk yosep rt 03 dr kmrin",
    "Slmt pagi bpk, ijin lapor ada tamu bule blanda 4 org (2 lk 2 pr) su datang td pagi, jln2",
    "PMI#3#Malaysia#minggu depan#ada PL dr Kupang tawar kerja kebun sawit",
    "pmi skrg 2 nona umur 16 th mau jalan ke batam naik oto ke kupang, tdk ada surat desa",
    "NIHIL",
    "STATUS 104277",
    "WNA#Austrila#1#wisata#Soe",
    "Pak camat besok rapat jam brp",
)
_TIMES = 6000


def measure() -> Iterator[tuple[str, str]]:
    """Read a mix of texts, each many times."""
    words = loading.load()
    now = datetime(2026, 11, 25, 10, 10, tzinfo=ZoneInfo("Asia/Makassar"))
    texts = list(islice(cycle(TEXTS), _TIMES))
    began = time.perf_counter()
    for text in texts:
        read(text, words, now=now)
    yield "read, texts/s", f"{_TIMES / (time.perf_counter() - began):.0f}"

"""The villages that come with the gateway: whole, well formed, and short enough for a reply."""

import re
from collections import Counter

from gateway.roster.villages import shipped_rows
from parsers.segments import is_plain_gsm7

ROWS = [row.cells for row in shipped_rows()]


def test_all_villages_of_timor_tengah_selatan_are_there():
    assert len(ROWS) == 278
    assert Counter(row["kind"] for row in ROWS) == {"desa": 266, "kelurahan": 12}
    assert len({row["kecamatan"] for row in ROWS}) == 32


def test_codes_are_well_formed_and_stand_for_one_village_each():
    codes = [str(row["code"]) for row in ROWS]

    assert all(re.fullmatch(r"53\.02\.[0-9]{2}\.[12][0-9]{3}", code) for code in codes)
    assert len(set(codes)) == 278
    assert codes == sorted(codes)


def test_the_code_tells_the_kind_and_the_kecamatan():
    for row in ROWS:
        assert (str(row["code"])[9] == "1") == (row["kind"] == "kelurahan")
    assert len({(str(row["code"])[:8], row["kecamatan"]) for row in ROWS}) == 32


def test_names_fit_into_a_reply():
    for row in ROWS:
        assert is_plain_gsm7(f"{row['name']}{row['kecamatan']}")
        assert 0 < len(str(row["name"])) <= 17


def test_kecamatan_are_written_as_people_write_them():
    names = {row["kecamatan"] for row in ROWS}

    assert {"Ki'e", "Kot'olin", "Batu Putih", "Kok Baun"} <= names
    assert not any(str(name).isupper() for name in names)

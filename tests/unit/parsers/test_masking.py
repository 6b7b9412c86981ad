import pytest

from parsers.masking import mask_documents

COVERED = {
    "WNA#Jerman#1#riset#kantor desa#paspor C01X00T47":
        "WNA#Jerman#1#riset#kantor desa#paspor (no ditutup)",
    "no paspor A 1234567 2 org": "no paspor (no ditutup) 2 org",
    "Passport No. AB 123456, hp 081234567890": "Passport No. (no ditutup), hp 081234567890",
    "paspornya C01X00T47": "paspornya (no ditutup)",
    "nik 5302011203900001": "nik (no ditutup)",
    "ktp 5302 0112 0390 0001 dan 2 anak": "ktp (no ditutup) dan 2 anak",
    "530201.120390.0001": "(no ditutup)",
    "NIK\uff15\uff13\uff10\uff12\uff10\uff11\uff11\uff12\uff10\uff13\uff19\uff10\uff10\uff10\uff10\uff11":
        "NIK(no ditutup)",
    "53 02 02 010180 0001": "(no ditutup)",
    "53.02.02.010180.0001 anin": "(no ditutup) anin",
    "530202/010180/0001": "(no ditutup)",
    "53-02-02-01-01-80-0001": "(no ditutup)",
    "paspor/123456789": "paspor/(no ditutup)",
    "paspor (123456789)": "paspor ((no ditutup))",
    "paspor\n123456789": "paspor\n(no ditutup)",
    "paspor\t123456789": "paspor\t(no ditutup)",
    "paspor;123456789": "paspor;(no ditutup)",
    "paspor*123456789*2": "paspor*(no ditutup)*2",
    "paspor australia 123456789": "paspor australia (no ditutup)",
    "paspor 123456789, 987654321": "paspor (no ditutup), (no ditutup)",
    "pasfor 123456789": "pasfor (no ditutup)",
    "A1234567 jerman": "(no ditutup) jerman",
    "WNA#Jerman#1#riset#C01X00T47": "WNA#Jerman#1#riset#(no ditutup)",
    "C01X00T47 dan A1234567": "(no ditutup) dan (no ditutup)",
}  # fmt: skip


@pytest.mark.parametrize("text", COVERED)
def test_a_document_number_is_covered(text):
    assert mask_documents(text) == (COVERED[text], True)
    assert mask_documents(COVERED[text]) == (COVERED[text], False)


KEPT = [
    "TAMBAH 104277 pakai mobil DH 1234 CX",
    "pakai mobil DH1234CX",
    "hubungi 081234567890 081298765432",
    "0812 3456 7890 0812 9876 5432",
    "+62 812-3456-7890",
    "BATAL 104 277",
    "No104277",
    "bayar Rp1500000",
    "paspor belum ada 2 org",
    "paspor 2 org ditahan",
    "visa 30 hari",
    "WNA 99999999999999999999 AUS",
    "25-11-2026 dan 30-11-2026",
    "",
]


@pytest.mark.parametrize("text", KEPT)
def test_other_numbers_are_kept(text):
    assert mask_documents(text) == (text, False)

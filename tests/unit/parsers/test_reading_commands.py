import pytest
from support.sms import items, only, problems

COMMANDS = {
    "STATUS 104277": ("STATUS", {"ref": "104277"}),
    "cek 104277": ("STATUS", {"ref": "104277"}),
    "STATUS 10-42-77": ("STATUS", {"ref": "104277"}),
    "status no 104.277": ("STATUS", {"ref": "104277"}),
    "status 104277?": ("STATUS", {"ref": "104277"}),
    "btl 104277": ("BATAL", {"ref": "104277"}),
    "batal 104 277": ("BATAL", {"ref": "104277"}),
    "TAMBAH 104277 pakai mobil DH 1234 CX": (
        "TAMBAH", {"ref": "104277", "note": "pakai mobil DH 1234 CX"},
    ),
    "TAMBAH 104277 WNA 2 lagi": ("TAMBAH", {"ref": "104277", "note": "WNA 2 lagi"}),
    "BANTU": ("BANTU", {}),
    "bantu pak": ("BANTU", {}),
    "BANTU PMI": ("BANTU", {"topic": "PMI"}),
    "help": ("BANTU", {}),
    "stop": ("BERHENTI", {}),
    "BERHENTI": ("BERHENTI", {}),
    "DAFTAR": ("DAFTAR", {}),
}  # fmt: skip


@pytest.mark.parametrize("text", COMMANDS)
def test_a_command_is_read(text):
    item = only(text)

    assert item.outcome == "command"
    assert (item.code, dict(item.fields)) == COMMANDS[text]
    assert (item.missing, item.problems, item.urgency) == ((), (), None)


@pytest.mark.parametrize(
    ("text", "code"),
    [("BATAL", "BATAL"), ("TAMBAH", "TAMBAH"), ("salah kirim", "BATAL"), ("STATUS", "STATUS")],
)
def test_a_command_without_its_number_misses_it(text, code):
    item = only(text)

    assert (item.outcome, item.code, item.missing) == ("command", code, ("ref",))


@pytest.mark.parametrize(
    "text", ["STATUS 104279", "BATAL 104727", "STATUS 10427", "status 1042771"]
)
def test_a_wrong_number_is_refused(text):
    item = only(text)

    assert (item.outcome, item.ask) == ("rejected", "ERR_NOMOR")
    assert [one[0::2] for one in problems(item)] == [("ref", "check_digit")]


CHAT = {
    "status pak bagaimana": "ERR_KODE",
    "daftar nama warga besok": "ERR_KODE",
    "saya mau batal rapat": "ERR_KODE",
    "Assalamualaikum pak, besok jadi rapat?": "ERR_KODE",
    "lampu darurat": "ERR_KODE",
    "WNAK sakit": "ERR_DARURAT_TANYA",
    "Sisa pulsa Anda Rp 1.250 WNA": "ERR_KODE",
    "blah blah WNA": "ERR_KODE",
    "WMA rapat": "ERR_KODE",
    "pulang kampung besok pagi": "ERR_KODE",
    "terima kasih": None,
    "ok": None,
    "Terima kasih banyak pak": None,
    "": "ERR_KOSONG",
    "  \n ": "ERR_KOSONG",
    "#**": "ERR_KOSONG",
}


@pytest.mark.parametrize("text", CHAT)
def test_what_has_no_code_is_chat(text):
    item = only(text)

    assert (item.outcome, item.code, item.ask) == ("chat", None, CHAT[text])


@pytest.mark.parametrize("text", ["brangkat 3 org bsk", "pulang 2 org", "berangkat", "pulang"])
def test_who_leaves_is_asked(text):
    item = only(text)

    assert (item.outcome, item.code, item.ask) == ("question", None, "ERR_RANCU")


def test_each_line_with_a_code_is_a_report():
    found = items("Selamat pagi\nWNA Belanda 2 wisata\ndi homestay Anin\nPMI 3 Malaysia besok")

    assert [one.code for one in found] == ["WNA", "PMI"]
    assert found[0].fields["place"] == "homestay anin"


def test_a_second_code_on_a_line_starts_a_report_when_its_thing_is_beside_it():
    found = items("WNA Belanda 2 wisata WNA Jerman 1 kerja")

    assert [(one.fields["country"], one.fields["count"]) for one in found] == [("NL", 2), ("DE", 1)]
    assert len(items("PMI 3 Malaysia besok, calo orang sini")) == 1


def test_a_sixth_report_is_named_and_not_stored():
    found = items("\n".join(f"WNA Belanda {n} wisata" for n in range(1, 8)))

    assert [one.outcome for one in found] == ["report"] * 5 + ["rejected"] * 2
    assert found[5].fields["note"] == "WNA Belanda 6 wisata"
    assert problems(found[5]) == [("code", "WNA", "out_of_range")]


def test_an_item_as_json_is_the_contract_object():
    assert only("WNA#Australia#2#wisata#homestay Bpk Anin").as_json() == {
        "outcome": "report",
        "code": "WNA",
        "fields": {
            "country": "AU", "count": 2, "purpose": "wisata", "place": "homestay bpk anin",
        },
        "missing": [],
        "problems": [],
        "urgency": "biasa",
        "flags": [],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("BATAL 400008\nWNA 3 AUS wisata", ["BATAL", "WNA"]),
        ("TAMBAH 400008 salah\nPMI 3 malaysia besok", ["TAMBAH", "PMI"]),
        ("BERHENTI\nPMI 3 malaysia besok", ["BERHENTI", "PMI"]),
        ("TAMBAH 400008 mereka naik oto\nturis itu su pi soe", ["TAMBAH"]),
    ],
)
def test_a_report_on_a_line_of_its_own_is_not_swallowed_by_a_command(text, codes):
    assert [item.code for item in items(text)] == codes

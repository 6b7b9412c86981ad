"""The officers' menu: every state there is, and where it leads. Data, checked at the start."""

from types import MappingProxyType

from gateway.dialogue.machine import Choice, Ending, Entry, Listing, Menu, Page, Passage, Tree

_PIN = r"\d{4,6}"

_STATES: Tree = {
    # By USSD the PIN is asked; by SMS, where it must never stand, the code that was just sent.
    "login_by_sms": Entry(
        "SANDI",
        _PIN,
        "SANDI_BENTUK",
        check="code",
        leads_to=("main", "locked"),
        can_go_back=False,
    ),
    "login": Entry(
        "MASUK",
        _PIN,
        "PIN_BENTUK",
        check="pin",
        leads_to=("main", "resume", "locked", "no_pin"),
        can_go_back=False,
    ),
    "locked": Ending("TERKUNCI"),
    "no_pin": Ending("TANPA_PIN"),
    "resume": Menu("LANJUTKAN", (Choice("LANJUT", "resumed"), Choice("MULAI_BARU", "main"))),
    "resumed": Passage("resume", leads_to=("main",)),
    "main": Menu(
        "UTAMA",
        (
            Choice("CARI", "find"),
            Choice("TERBARU", "latest"),
            Choice("DESA", "villages"),
            Choice("JUMLAH", "month"),
            Choice("MENUNGGU", "waiting"),
            Choice("GANTI_PIN", "new_pin", by_ussd_only=True),
            Choice("BUKA_KUNCI", "locked_officers", for_roles=frozenset({"admin"})),
        ),
    ),
    "goodbye": Ending("SELESAI"),
    # Reports
    "find": Entry(
        "CARI_NOMOR",
        r"[\d .-]{1,20}",
        "NOMOR_BENTUK",
        check="number",
        leads_to=("report", "too_many"),
    ),
    "too_many": Ending("TERLALU_BANYAK"),
    "report": Page("LAPORAN", asks="report"),
    "latest": Listing(
        "TERBARU",
        asks="latest",
        empty="KOSONG",
        kept_as="report",
        leads_to=("report",),
        can_be_texted=True,
    ),
    "text_list": Passage("text_list", leads_to=("list_texted",)),
    "list_texted": Page("DIKIRIM", asks="texted"),
    # Villages
    "villages": Menu("DESA", (Choice("PILIH_DESA", "places"), Choice("DESA_DIAM", "days"))),
    "places": Listing(
        "PILIH_DESA",
        asks="places",
        empty="KOSONG",
        kept_as="place",
        leads_to=("places", "village"),
    ),
    "village": Page("SATU_DESA", asks="village"),
    "days": Entry(
        "DIAM_HARI", r"\d|0\d|[1-8]\d|90", "HARI_BENTUK", kept_as="days", leads_to=("silent",)
    ),
    "silent": Listing(
        "DESA_DIAM",
        asks="silent",
        empty="KOSONG",
        kept_as="place",
        leads_to=("village", "silent"),
        can_be_texted=True,
    ),
    # Figures
    "month": Entry("BULAN", r"0?\d|1[0-2]", "BULAN_BENTUK", kept_as="month", leads_to=("counts",)),
    "counts": Page("JUMLAH", asks="counts"),
    # What waits for a person
    "waiting": Listing(
        "MENUNGGU", asks="waiting", empty="KOSONG", kept_as="kind", leads_to=("waiting_some",)
    ),
    "waiting_some": Listing(
        "MENUNGGU",
        asks="waiting_some",
        empty="KOSONG",
        kept_as="waiting",
        leads_to=("waiting_one",),
        can_be_texted=True,
    ),
    "waiting_one": Page("MENUNGGU", asks="waiting_one"),
    # PINs
    "new_pin": Entry("PIN_BARU", _PIN, "PIN_BENTUK", check="new_pin", leads_to=("pin_again",)),
    "pin_again": Entry(
        "PIN_LAGI", _PIN, "PIN_BENTUK", check="pin_again", leads_to=("pin_changed", "new_pin")
    ),
    "pin_changed": Menu("PIN_DIGANTI", (Choice("KE_MENU", "main"),)),
    "locked_officers": Listing(
        "BUKA_KUNCI",
        asks="locked_officers",
        empty="KOSONG",
        kept_as="officer",
        leads_to=("unlock",),
    ),
    "unlock": Passage("unlock", leads_to=("locked_officers",)),
}

#: The tree that USSD and SMS share.
OFFICERS: Tree = MappingProxyType(_STATES)

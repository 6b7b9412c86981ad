"""Messages from public bug reports, each under the name it has in our case list."""

from datetime import datetime

import pytest
from support.sms import WITA, only, problems

WHOLE = {
    "enc-inbound-invisible-characters": "WNA 2\u200b AUS\u00a0 WISATA",
    "parser-code-glued-to-count": "WNA2 AUS WISATA",
    "parser-code-and-country-glued-to-count": "WNA2AUS WISATA",
    "parser-hash-delimiters": "WNA#2#AUS#WISATA",
    "parser-hyphen-delimiters": "WNA-2-AUS-WISATA",
    "parser-exclamation-delimiters": "WNA!2!AUS!WISATA",
    "parser-star-delimiters": "WNA*2*AUS*WISATA",
    "parser-keyword-lower-case": "wna 2 aus wisata",
    "parser-keyword-mixed-case": "Wna 2 Aus Wisata",
    "parser-leading-junk-dot": ".WNA 2 AUS WISATA",
    "parser-leading-junk-zeros": "000WNA 2 AUS WISATA",
    "parser-punctuation-after-keyword-comma": "WNA, 2 AUS WISATA",
    "parser-punctuation-after-keyword-colon": "WNA: 2 AUS WISATA",
    "parser-stray-arabic-digit-on-word": "WNA 2 \u0660AUS WISATA",
    "parser-superscript-digit-arabic": "WNA \u0662 AUS WISATA",
    "parser-superscript-digit-full-width": "WNA \uff12 AUS WISATA",
    "parser-text-glued-to-number": "WNA 2AUS WISATA",
    "parser-unit-glued-to-number": "WNA 2org AUS WISATA",
    "parser-unknown-token-in-middle": "WNA X 2 AUS WISATA",
}


@pytest.mark.parametrize("case", WHOLE)
def test_a_case_that_reads_as_two_australian_tourists(case):
    item = only(WHOLE[case])

    assert (item.outcome, item.code) == ("report", "WNA")
    fields = {name: item.fields[name] for name in ("country", "count", "purpose")}
    assert fields == {"country": "AU", "count": 2, "purpose": "wisata"}


PROBLEMS = {
    "parser-count-overflow": (
        "WNA 99999999999999999999 AUS WISATA", ("count", "99999999999999999999", "out_of_range"),
    ),
    "parser-superscript-digit": ("WNA \u00b2 AUS WISATA", ("count", "\u00b2", "unclear")),
    "parser-impossible-date": (
        "WNA 2 AUS WISATA TGL 30/02/2026", ("event_date", "30/02/2026", "impossible"),
    ),
    "parser-negative-rejected-not-dropped": ("PMI -1 MYS", ("count", "-1", "out_of_range")),
    "parser-two-different-counts": ("WNA 2 3 AUS WISATA", ("count", "2 3", "contradiction")),
    "parser-unknown-country": ("WNA 2 XQZ WISATA", ("country", "XQZ", "unknown")),
    "parser-zero-count": ("WNA 0 AUS WISATA", ("count", "0", "out_of_range")),
}  # fmt: skip


@pytest.mark.parametrize("case", PROBLEMS)
def test_a_case_with_a_problem(case):
    text, problem = PROBLEMS[case]

    assert problems(only(text)) == [problem]


OUTCOMES = {
    "enc-inbound-byte-order-mark": ("\ufeffNIHIL", "report", "NIHIL"),
    "parser-code-only": ("WNA", "draft", "WNA"),
    "parser-code-only-pmi": ("PMI", "draft", "PMI"),
    "parser-code-prefix-of-word-pmi": ("PMII rapat jam 7", "chat", None),
    "parser-code-prefix-of-word-wna": ("WNAK sakit", "chat", None),
    "parser-code-prefix-of-word-nihil": ("NIHILWATI lahir", "chat", None),
    "parser-keyword-any-case": ("NiHiL", "report", "NIHIL"),
    "parser-leading-junk-quotes": ('"NIHIL"', "report", "NIHIL"),
    "parser-nihil-contradiction": ("NIHIL WNA 2 AUS", "question", "NIHIL"),
    "parser-nihil-contradiction-count": ("NIHIL 3", "question", "NIHIL"),
    "parser-ordinary-chat": ("Assalamualaikum pak, besok jadi rapat?", "chat", None),
    "parser-plain-code-mistaken-for-base64": ("NIHIL123", "question", "NIHIL"),
    "parser-plain-code-mistaken-for-base64-wna": ("WNA2AUSX", "draft", "WNA"),
    "parser-punctuation-after-keyword-stop": ("NIHIL.", "report", "NIHIL"),
    "parser-punctuation-after-keyword-semicolon": ("nihil;", "report", "NIHIL"),
}


@pytest.mark.parametrize("case", OUTCOMES)
def test_a_case_by_its_outcome(case):
    text, outcome, code = OUTCOMES[case]
    item = only(text)

    assert (item.outcome, item.code) == (outcome, code)


def test_parser_body_over_160():
    item = only("PMI 3 MYS besok " + "x" * 300)

    assert (item.outcome, item.fields["note"]) == ("report", "x" * 300)


def test_parser_ddmm_year_rollover():
    item = only("WNA 2 AUS WISATA TGL 3112", datetime(2027, 1, 2, 9, 0, tzinfo=WITA))
    assert item.fields["event_date"] == "2026-12-31"


def test_parser_echo_is_cut():
    item = only("WNA abcdefghijklmnopqrstuvwxyz0123456789 AUS")

    assert item.fields["note"] == "abcdefghijklmnopqrstuvwxyz0123456789"
    assert item.missing == ("count", "purpose")


def test_parser_free_text_keeps_punctuation():
    item = only("PMI 3 MYS calo janji gaji 5 juta! #2 orang tua: Ibu Contoh")

    assert item.fields["note"] == "calo janji gaji 5 juta! #2 orang tua: Ibu Contoh"


def test_parser_leading_zeros_are_text():
    assert only("PMI 3 MYS DUSUN 007 HP 081200000123").fields["note"] == (
        "DUSUN 007 HP 081200000123"
    )


def test_parser_missing_field_named():
    assert only("WNA 2 WISATA").missing == ("country",)


def test_parser_quoted_multiword():
    for text in ('WNA 2 "PAPUA NUGINI" WISATA', "WNA 2 PAPUA NUGINI WISATA"):
        assert only(text).fields["country"] == "PG"


def test_parser_too_few_fields_not_shifted():
    item = only("WNA 2 AUS")

    assert (dict(item.fields), item.missing) == ({"country": "AU", "count": 2}, ("purpose",))


def test_parser_unknown_token_in_middle_of_pmi():
    item = only("PMI 3 Q MYS")

    assert (item.fields["note"], item.flags) == ("Q", ("extra_text",))


def test_enc_at_sign_as_nul():
    assert only("PMI 3 MYS hub agen\x00contoh.id").fields["note"] == "hub agen@contoh.id"

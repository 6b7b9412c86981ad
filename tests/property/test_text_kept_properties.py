"""Nothing that a village head wrote is lost: each word is read into something or kept as a note."""

import re

from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.sms import LANGUAGE, NOW

from parsers.items import Outcome
from parsers.masking import mask_documents
from parsers.pieces import CODE, COURTESY, NOTE
from parsers.reading import LONGEST, MOST_PIECES, explain, read

WORDS = [
    "WNA", "PMI", "NIHIL", "PERGI", "CURIGA", "DARURAT", "nhl", "bule", "calo", "turis", "sakit",
    "hilang", "STATUS", "BATAL", "TAMBAH", "MASIH", "BANTU", "R", "WMA", "PRGI", "DARURT", "WN",
    "Belanda", "Korea", "Austrila", "Indonesia", "malaysia", "batam", "kupang", "2", "0", "16",
    "-1", "2,5", "1O", "104277", "602140", "104278", "org", "lk", "pr", "anak", "nona", "umur",
    "th", "mgg", "besok", "kmrn", "tgl", "30/02", "31/12", "juni", "bulan", "jam", "wisata",
    "gereja", "rumah", "RT", "di", "ke", "dr", "tidak tahu", "tidak ada", "bukan", "su", "pulang",
    "dan", "sekitar", "banyak", "kapal", "oto", "DH", "1930", "polisi", "satu", "dua puluh", "?",
    "\n", "#", "#-#", "(", "aman", "pak", "slmt pagi", "tolong", "xqz", "meot", "yosep", "nama",
    "paspor", "A1234567", "5302011203900001", "0812-3456-7890", "salah", "masuk",
]  # fmt: skip
JOINTS = [" ", "#", ", ", "\n", ". ", "", "; "]
FIELD_TEXT = st.lists(st.sampled_from(WORDS), max_size=25).flatmap(
    lambda words: st.sampled_from(JOINTS).map(lambda joint: joint.join(words))
)
PLAIN_TEXT = st.text("abdegiklmnoprstuw0123456789 #,.-?!/\n'()", max_size=200)
TEXTS = st.one_of(FIELD_TEXT, PLAIN_TEXT)
SENDERS = st.sampled_from(["reporter", "officer"])
REPEATED = re.compile(r"\s\.2\s*\Z")


def letters_of(text):
    """Give letters and digits alone: where a word ends is not what is held here."""
    return "".join(re.findall(r"[^\W_]", text))


def written(text):
    """Give a text as it may be stored, without the mark of a text that is sent again."""
    return REPEATED.sub("", mask_documents(text)[0])


def notes(items):
    return " ".join(str(item.fields.get("note", "")) for item in items)


def is_settled(name, items):
    """Tell whether a field has a value, a problem, or was said not to be known."""
    for item in items:
        form = LANGUAGE.forms.get(item.code)
        field = form.field(name) if form else None
        if field is None:
            continue
        if name in item.fields or any(problem.field == name for problem in item.problems):
            return True
        if field.may_be_unknown and name not in item.missing:
            return True
    return False


@given(TEXTS, SENDERS)
@example("WNA 2 aus wisata xqz\nPMI 1 batam besok xqz", "reporter")
@example(f"WNA {'xqz ' * MOST_PIECES} akhir", "reporter")
@example(f"WNA {'#' * LONGEST} akhir", "reporter")
@settings(max_examples=600, deadline=None)
def test_each_word_is_shown_as_something_or_kept_in_the_last_note(text, sender):
    text = written(text)
    shown = letters_of(" ".join(w for w, _ in explain(text, LANGUAGE, now=NOW, sender=sender)))
    kept = letters_of(notes(read(text, LANGUAGE, now=NOW, sender=sender).items))

    assert letters_of(text).startswith(shown)
    assert kept.endswith(letters_of(text)[len(shown) :])


@given(TEXTS, SENDERS)
@example("tidak ada WNA 2 aus xqz PMI 1 batam meot", "reporter")
@settings(max_examples=600, deadline=None)
def test_what_was_read_into_nothing_is_in_a_note(text, sender):
    text = written(text)
    kept = notes(read(text, LANGUAGE, now=NOW, sender=sender).items)

    for words, became in explain(text, LANGUAGE, now=NOW, sender=sender):
        # What was read between two words of a note is cut out of it.
        if became == NOTE:
            assert all(word in kept for word in re.findall(r"[^\W_]+", words)), (words, kept)


@given(TEXTS)
@settings(max_examples=600, deadline=None)
def test_what_was_read_into_a_field_is_its_value_or_its_problem(text):
    text = written(text)
    items = read(text, LANGUAGE, now=NOW).items
    kept = notes(items)
    if any(item.outcome in (Outcome.QUESTION, Outcome.REJECTED) for item in items):
        return  # the whole text is kept, or it is to be sent again

    for words, became in explain(text, LANGUAGE, now=NOW):
        if became in (CODE, COURTESY, NOTE, "masked_document"):
            continue
        assert became in ("ref", "topic") or is_settled(became, items) or words in kept, became

"""Institutions: ours, an agency's in their place, and what stops a start."""

from pathlib import Path

import pytest

from gateway.officers import institutions
from gateway.officers.institutions import DataError

SHIPPED = Path(institutions.__file__).with_name("institutions.toml")
FORMS = ("WNA", "PMI", "NIHIL")


@pytest.fixture
def agency(tmp_path: Path) -> Path:
    (tmp_path / "officers").mkdir()
    return tmp_path


def lay_over(agency: Path, old: str, new: str) -> Path:
    """Write an agency's file: ours, with the first such words changed."""
    text = SHIPPED.read_text(encoding="utf-8")
    assert old in text
    path = agency / "officers" / "institutions.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


def test_the_shipped_ones_are_those_of_the_contract():
    names = "imigrasi polres polsek camat koramil kesbangpol disnaker bp3mi uptd_ppa pelabuhan"

    assert list(institutions.load(None, FORMS)) == names.split()


@pytest.mark.parametrize("name", ["camat", "polsek", "koramil"])
def test_the_kecamatan_sees_a_summary_alone_and_nothing_about_officials(name: str):
    found = institutions.load(None, FORMS)[name]

    assert found.summary_only == {"PMI", "CURIGA"}, "CURIGA too, before its form is there"
    assert not found.sees_about_officials


def test_the_others_see_all_but_kesbangpol_nothing_about_officials():
    found = institutions.load(None, FORMS).values()

    assert {one.name for one in found if not one.sees_about_officials} == {
        "camat", "polsek", "koramil", "kesbangpol",
    }  # fmt: skip
    assert {one.name for one in found if one.summary_only} == {"camat", "polsek", "koramil"}


def test_titles_fit_a_screen():
    titles = [t for one in institutions.load(None, FORMS).values() for t in one.title.values()]

    assert all(len(title) <= 16 for title in titles)


def test_an_agency_lays_its_own_over_them(agency: Path):
    lay_over(agency, 'summary_only = ["PMI", "CURIGA"]', 'summary_only = ["TAMU"]')

    assert institutions.load(agency, (*FORMS, "TAMU"))["polsek"].summary_only == {"TAMU"}


def test_an_agency_without_the_file_has_ours(tmp_path: Path):
    assert institutions.load(tmp_path, FORMS) == institutions.load(None, FORMS)


@pytest.mark.parametrize(
    ("old", "new", "line", "complaint"),
    [
        pytest.param('["PMI", "CURIGA"]', '["PM1"]', 14, "'PM1' in summary", id="a slip in a code"),
        pytest.param('["PMI", "CURIGA"]', "[[1]]", 14, "in summary_only is no", id="a list in it"),
        pytest.param('["PMI", "CURIGA"]', '"PMI"', 14, "summary_only is no list", id="no list"),
        pytest.param("officials = false", "officials = 0", 15, "no truth value", id="a number"),
        pytest.param("about_officials =", "about_official =", 15, "polsek has", id="another key"),
        pytest.param('"Polsek"', '"Kepolisian Sektor"', 13, "does not fit", id="a long title"),
        pytest.param('"Polsek"', '"Pol[sek]"', 13, "does not fit", id="two units a letter"),
        pytest.param('"Polsek"', '" "', 13, "does not fit", id="a blank title"),
        pytest.param('"Polsek"', '"Pol\\nsek"', 13, "does not fit", id="a title of two lines"),
        pytest.param('"Polsek"', "7", 13, "does not fit", id="a number for a title"),
        pytest.param('en = "Local police"', 'fr = "Police"', 13, "id and en", id="a language"),
        pytest.param(
            "[imigrasi]", "polda = 1\n[imigrasi]", 6, "polda is no section", id="no table"
        ),
        pytest.param("[camat]", "[kamat]", 1, "camat is not there", id="one is lacking"),
        pytest.param("[camat]", "[camat", 17, "line", id="no TOML"),
    ],
)
def test_wrong_data_are_named_with_file_and_line(
    agency: Path, old: str, new: str, line: int, complaint: str
):
    path = lay_over(agency, old, new)

    with pytest.raises(DataError) as refused:
        institutions.load(agency, FORMS)
    assert f"{path}, line {line}: " in str(refused.value)
    assert complaint in str(refused.value)

"""`timpora card`: the code cards of villages, as a page to print."""

from pathlib import Path

import click

from gateway.cards import choosing, rendering, texts
from gateway.cards.choosing import NoSuchVillage
from gateway.cards.rendering import Place
from gateway.cli.ending import stop
from gateway.cli.office import demand_gateway, office, settings
from parsers.form import LANGUAGES


@click.command()
@click.argument("village_codes", nargs=-1, metavar="[VILLAGE_CODE]...")
@click.option("--kecamatan", metavar="CODE", help="All villages of a kecamatan, such as 53.02.02.")
@click.option("--all", "everyone", is_flag=True, help="All villages.")
@click.option(
    "--lang", "language", type=click.Choice(LANGUAGES), default=LANGUAGES[0], show_default=True
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write; otherwise stdout.",
)
def card(
    *,
    village_codes: tuple[str, ...],
    kecamatan: str | None,
    everyone: bool,
    language: str,
    output: Path | None,
) -> None:
    """Write one HTML file with an A5 code card for each village, to print and hang up."""
    if sum((bool(village_codes), kecamatan is not None, everyone)) != 1:
        raise click.UsageError("name villages by their codes, or one --kecamatan, or --all")
    demand_gateway()
    places = _chosen(village_codes, kecamatan)
    if not places:
        stop("there are no villages yet; mend: timpora db upgrade")
    forms = office().desk.language.forms.values()
    page = rendering.cards(places, forms, texts.shipped()[language], settings().sms_number)
    if output is None:
        click.echo(page)
        return
    try:
        output.write_text(page + "\n", encoding="utf-8")
    except OSError as error:
        stop(f"{output} cannot be written ({error.strerror}); mend: name another --output")
    click.echo(f"{len(places)} written to {output}; open it in a browser and print it on A5")


def _chosen(village_codes: tuple[str, ...], kecamatan: str | None) -> list[Place]:
    try:
        with office().database.reading() as session:
            if village_codes:
                return choosing.by_codes(session, village_codes)
            if kecamatan is not None:
                return choosing.of_kecamatan(session, kecamatan)
            return choosing.everyone(session)
    except NoSuchVillage as unknown:
        stop(str(unknown))

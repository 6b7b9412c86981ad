"""Reports that belong together: a departure and its arrival, or two that may tell of the same.

A link never changes what a reporter hears, and no report is dropped for it: an officer decides.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from itertools import islice
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from models.base import UtcDateTime
from models.database.statements import for_each, insert_rows
from models.report import LinkKind, Report, ReportLink
from models.states import ReportState
from parsers.language import Language

#: Two reports of the same may lie so far apart, and their counts differ by so much.
_NEAR = timedelta(hours=48)
_COUNT_SLACK = 1
#: A morning in which a village says the same again and again is linked to the latest few.
_MOST_LINKS = 5
#: What of a new report others are compared with.
_KEY: Mapping[str, sa.types.TypeEngine[Any]] = {
    "report_id": sa.BigInteger(),
    "village_code": sa.Text(),
    "code": sa.Text(),
    "told": sa.Text(),
    "count": sa.Integer(),
    "since": UtcDateTime(),
    "until": UtcDateTime(),
}


def link_alike(
    session: Session, language: Language, reports: Sequence[Report]
) -> dict[Report, list[str]]:
    """Link new reports to those of their village that may tell of the same; give their numbers.

    The new ones, which are written already, are linked to one another, each to those before it.
    """
    groups: dict[str, list[Report]] = defaultdict(list)
    for report in reports:
        alike_by = language.forms[report.code].alike_by
        if report.village_code is not None and alike_by in report.fields:
            groups[alike_by or ""].append(report)
    new = {report.id: place for place, report in enumerate(reports)}
    linked: dict[Report, list[str]] = {}
    links: list[dict[str, Any]] = []
    for alike_by, group in groups.items():
        found: dict[int, list[_Pair]] = defaultdict(list)
        for pair in _alike(session, alike_by, group):
            found[pair.report_id].append(pair)
        for report in group:
            place = new[report.id]
            before = (pair for pair in found[report.id] if new.get(pair.other_id, -1) < place)
            alike = list(islice(before, _MOST_LINKS))
            links += [_link(report.id, pair.other_id, LinkKind.LIKENESS) for pair in alike]
            if alike:
                linked[report] = [pair.number or "" for pair in alike]
    insert_rows(session, ReportLink, links)
    return linked


class _Pair(NamedTuple):
    """A new report and another one that may tell of the same, with that one's number."""

    report_id: int
    other_id: int
    number: str | None


def _alike(session: Session, alike_by: str, reports: Sequence[Report]) -> Iterable[_Pair]:
    """Pair reports with those that may tell of the same, each report with the latest ones first.

    They share village, code and the field that is named, lie within two days, and their counts
    differ by one at most, where both are told.
    """
    wanted = [
        {
            "report_id": report.id,
            "village_code": report.village_code,
            "code": report.code,
            "told": str(report.fields[alike_by]),
            "count": report.fields.get("count"),
            "since": report.received_at - _NEAR,
            "until": report.received_at + _NEAR,
        }
        for report in reports
    ]

    def alike(key: Mapping[str, sa.ColumnElement[Any]]) -> sa.Select[Any]:
        count = Report.fields["count"].as_integer()
        agrees = sa.func.abs(count - key["count"]) <= _COUNT_SLACK
        return (
            sa.select(key["report_id"].label("report_id"), Report.id, Report.number)
            .where(
                Report.village_code == key["village_code"],
                Report.code == key["code"],
                Report.received_at > key["since"],
                Report.received_at < key["until"],
                Report.state.not_in([ReportState.DRAFT, ReportState.INVALID]),
                Report.id != key["report_id"],
                Report.fields[alike_by].as_string() == key["told"],
                sa.or_(count.is_(None), key["count"].is_(None), agrees),
            )
            .order_by(Report.received_at.desc(), Report.id.desc())
            .limit(_MOST_LINKS + len(reports))
        )

    return [_Pair(*row) for row in for_each(session, _KEY, wanted, alike)]


def link_departure(session: Session, departure: Report, arrival: Report) -> None:
    """Link a report of a departure to the arrival whose number it gave."""
    session.flush()  # both have their ids now
    insert_rows(session, ReportLink, [_link(departure.id, arrival.id, LinkKind.DEPARTURE)])


def arrival_of(session: Session, departure: Report) -> Report | None:
    """Find the arrival that a report of a departure was linked to by its number."""
    return session.scalars(
        sa.select(Report)
        .join(ReportLink, ReportLink.other_id == Report.id)
        .where(ReportLink.report_id == departure.id, ReportLink.kind == LinkKind.DEPARTURE)
    ).first()


def linked_numbers(session: Session, report_id: int) -> list[str]:
    """List the numbers of all reports that are linked to one, whichever came first."""
    other = sa.case(
        (ReportLink.report_id == report_id, ReportLink.other_id), else_=ReportLink.report_id
    )
    found = session.scalars(
        sa.select(Report.number)
        .join(ReportLink, Report.id == other)
        .where(
            sa.or_(ReportLink.report_id == report_id, ReportLink.other_id == report_id),
            Report.number.is_not(None),
        )
        .order_by(Report.id)
    )
    return [number for number in dict.fromkeys(found) if number is not None]


def _link(report_id: int, other_id: int, kind: LinkKind) -> dict[str, Any]:
    return {"report_id": report_id, "other_id": other_id, "kind": kind}

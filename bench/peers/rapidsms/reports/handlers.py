"""The least that a RapidSMS user would write for this job: parse, store, answer with a number."""

import secrets

from rapidsms.contrib.handlers.handlers.keyword import KeywordHandler

from reports.models import Report


class _ReportHandler(KeywordHandler):
    """Stores `CODE count about place` and answers with the report's number."""

    usage = ""

    def help(self) -> None:
        """Say how it is done."""
        self.respond(f"Kirim: {self.usage}")

    def handle(self, text: str) -> None:
        """Store the report, or say how it is done."""
        count, about, place = (*text.split(maxsplit=2), "", "")[:3]
        if not count.isdigit() or not about:
            self.help()
            return
        self._keep(int(count), about, place)

    def _keep(self, count: int | None, about: str, place: str) -> None:
        report = Report.objects.create(
            number=f"{secrets.randbelow(10**12):012d}",
            identity=self.msg.connections[0].identity,
            code=self.keyword,
            count=count,
            about=about[:60],
            place=place[:80],
        )
        self.respond(f"Laporan {self.keyword.upper()} diterima. No {report.number}. Terima kasih.")


class WnaHandler(_ReportHandler):
    """Foreigners in the village."""

    keyword = "wna"
    usage = "WNA jumlah negara tujuan tempat"


class PmiHandler(_ReportHandler):
    """People who leave to work elsewhere."""

    keyword = "pmi"
    usage = "PMI jumlah tujuan keterangan"


class NihilHandler(_ReportHandler):
    """Nothing to report."""

    keyword = "nihil"
    usage = "NIHIL bulan"

    def handle(self, text: str) -> None:
        """Store that there is nothing."""
        self._keep(None, text, "")

"""What a process loads when it starts: a small box has 300 MB for all of them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.repository import ROOT

#: What takes long to load, or much memory, and only some processes ever use.
HEAVY = {"alembic", "flask", "jinja2", "openpyxl", "granian"}
COMMAND = "from gateway.cli.main import timpora; timpora.commands[{!r}]"


@pytest.mark.parametrize(
    ("start", "needs"),
    [
        pytest.param("import workers.__main__", set(), id="a worker"),
        pytest.param("import workers.sweeper", set(), id="a sweeper"),
        pytest.param(COMMAND.format("messages"), set(), id="a list"),
        # It stays for as long as the gateway runs.
        pytest.param(COMMAND.format("run"), set(), id="the supervisor"),
        # Of the web processes one listens and the others load the application.
        pytest.param("import gateway.web_server", {"granian"}, id="the web server"),
        pytest.param("import gateway.app", {"flask", "jinja2"}, id="a web worker"),
    ],
)
def test_a_process_loads_what_it_needs_and_no_more(start: str, needs: set[str]):
    program = f"{start}; import json, sys; print(json.dumps(list(sys.modules)))"
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert HEAVY & set(json.loads(done.stdout)) == needs


def test_the_supervisor_and_the_web_process_that_listens_load_none_of_the_rest():
    for start in (COMMAND.format("run"), "import gateway.web_server"):
        program = f"{start}; import json, sys; print(json.dumps(list(sys.modules)))"
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        loaded = set(json.loads(done.stdout))
        assert loaded & {"sqlalchemy", "redis", "rq", "structlog", "requests", "parsers"} == set()


#: Tells when the index of misspelt words is built, and then starts what is asked for.
INDEX = """
import parsers.vocabulary as vocabulary
class Spelling(vocabulary.Spelling):
    def __init__(self, *given):
        print("index")
        super().__init__(*given)
vocabulary.Spelling = Spelling
"""
WORKER = "import workers.__main__ as it; it.work = lambda url: print('works'); it.main()"
WEB = "from gateway.app import create_app; create_app(); print('answers')"
COMMAND_LINE = "from gateway.cli.office import office; office(); print('lists')"


@pytest.mark.parametrize(
    ("start", "said"),
    [
        pytest.param(WORKER, ["index", "works"], id="a worker, before its first job"),
        pytest.param(WEB, ["answers"], id="a web worker"),
        pytest.param(COMMAND_LINE, ["lists"], id="a command"),
    ],
)
def test_who_reads_texts_alone_builds_what_that_needs(start: str, said: list[str], tmp_path: Path):
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", INDEX + start],
        env={
            "TIMPORA_DATA_DIR": str(tmp_path),
            "TIMPORA_SECRET_KEY": "k" * 64,
            "TIMPORA_WEBHOOK_SECRET": "s" * 32,
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert [line for line in done.stdout.splitlines() if not line.startswith("{")] == said

"""Whether our four names are ours alone, and what may and may not stand in the repository."""

import ast
import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from re import MULTILINE

import pytest
from support.repository import ROOT, files_in_repository

OURS = ("gateway", "parsers", "models", "workers")
LOCKS = ("requirements.lock", "requirements-dev.lock")

#: With a bar in each, or this file would be the one that holds them.
REGISTRIES = [
    barred.replace("|", "")
    for barred in (
        "py|pi.org",
        "python|hosted.org",
        "npm|js.org",
        "go|lang.org",
        "crates|.io",
        "docker|.io",
        "ghcr|.io",
        "gcr|.io",
        "quay|.io",
        "ana|conda.org",
        "deb.|debian.org",
    )
]


@pytest.mark.parametrize("name", OURS)
def test_no_other_distribution_owns_our_name(name: str):
    assert set(packages_distributions().get(name, [])) <= {"timpora-gateway"}


@pytest.mark.parametrize("name", OURS)
def test_our_name_is_found_in_the_checkout_alone(name: str):
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    assert Path(spec.origin).resolve() == ROOT / name / "__init__.py"

    elsewhere = {Path(folder).resolve() for folder in sys.path if folder} - {ROOT}
    assert [
        folder
        for folder in elsewhere
        if (folder / name).is_dir() or (folder / f"{name}.py").exists()
    ] == []


def test_messaging_never_loads_the_web():
    load = (
        "import gateway.messaging.queues, gateway.messaging.receiving, gateway.messaging.sending;"
        "import workers.jobs, sys;"
        "print([name for name in ('flask', 'werkzeug', 'granian') if name in sys.modules])"
    )

    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", load], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"


def inits() -> list[Path]:
    return sorted(path for name in OURS for path in (ROOT / name).rglob("__init__.py"))


@pytest.mark.parametrize("path", inits(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_package_holds_a_docstring_and_nothing_else(path: Path):
    tree = ast.parse(path.read_text(encoding="utf-8"))

    assert ast.get_docstring(tree)
    assert len(tree.body) == 1


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_file_names_no_address(name: str):
    lock = (ROOT / name).read_text(encoding="utf-8")

    assert "http" not in lock
    assert re.findall(r"^--.*", lock, MULTILINE) == []
    assert [host for host in REGISTRIES if host in lock] == []


@pytest.mark.parametrize("name", LOCKS)
def test_every_line_of_a_lock_file_has_a_version_and_hashes(name: str):
    lock = (ROOT / name).read_text(encoding="utf-8")
    entries = [one for one in re.split(r"\n(?=\S)", lock) if not one.startswith("#")]

    assert entries
    assert [one for one in entries if not re.match(r"[\w.\-\[\]]+==\S+", one)] == []
    assert [one for one in entries if "--hash=sha256:" not in one] == []


def test_what_runs_is_locked_alike_for_tests():
    runs, tests = (
        set(re.findall(r"^[\w.\-\[\]]+==\S+", (ROOT / name).read_text(encoding="utf-8"), MULTILINE))
        for name in LOCKS
    )

    assert runs <= tests


def test_no_file_names_a_registry():
    found = [
        f"{path.relative_to(ROOT)}: {host}"
        for path in files_in_repository()
        for host in REGISTRIES
        if host.encode() in path.read_bytes()
    ]

    assert found == []


def calls_in(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Give every call with the last name of what is called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            yield name, node


def test_nothing_of_the_product_ever_runs_a_shell():
    """A text of a message can hold anything; where there is no shell it stays a text."""
    shells = {
        "system",
        "popen",
        "getoutput",
        "getstatusoutput",
        "spawnlp",
        "create_subprocess_shell",
    }
    seen = 0
    for package in OURS:
        for path in (ROOT / package).rglob("*.py"):
            for name, call in calls_in(ast.parse(path.read_text(encoding="utf-8"))):
                seen += 1
                assert name not in shells, f"{path}: {name}"
                assert "shell" not in {word.arg for word in call.keywords}, f"{path}: {name}"
    assert seen > 1000
    hooks = [path for path in (ROOT / "deploy").rglob("*") if path.is_file()]
    assert hooks
    for path in hooks:
        text = path.read_text(encoding="utf-8").lower()
        lines = [one.strip() for one in text.splitlines() if path.suffix != ".md"]
        assert not [one for one in lines if one.startswith(("runon", "exec ="))], path

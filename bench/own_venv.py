"""Packages that only a measurement needs: in an environment of their own, never in our lock."""

import subprocess
import venv
from hashlib import sha256
from pathlib import Path

#: Kept between runs; git ignores it.
CACHE = Path(__file__).parent / ".cache"


def folder_with(requirements: Path) -> Path:
    """Give the `bin` folder of an environment with what that file names, made at its first use."""
    mark = sha256(requirements.read_bytes()).hexdigest()[:12]
    folder = CACHE / f"{requirements.parent.name}-{mark}"
    complete = folder / "complete"
    if not complete.exists():
        venv.create(folder, with_pip=True, clear=True)
        pip = (str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check")
        install = (*pip, "--quiet", "install", "-r", str(requirements))
        subprocess.run(install, check=True)  # noqa: S603  # our own command
        complete.touch()
    return folder / "bin"

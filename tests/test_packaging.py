"""Every step of the Dockerfile, without a container engine: build, install, start, probe, stop.

Slow, and needs the package index: `make package`, not `make test`.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from tests.process import Process, serving
from tests.web.service import ORDER_SIGN
from tests.web.tokens import key, public

pytestmark = pytest.mark.packaging

ROOT = Path(__file__).parents[1]
IMAGE = "/opt/cds-service"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The Dockerfile: the commands of its stages, its variables, and how the image is used."""

    runs: tuple[str, ...]
    environment: dict[str, str]
    command: list[str]
    probe: list[str]
    user: str


def recipe() -> Recipe:
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line.split(" ", 1) for line in text.splitlines() if re.match(r"[A-Z]+ ", line)]
    of = {word: [rest for first, rest in lines if first == word] for word, _ in lines}
    return Recipe(
        runs=tuple(of["RUN"]),
        environment=dict(pair.split("=", 1) for pair in shlex.split(of["ENV"][0])),
        command=json.loads(of["CMD"][0]),
        probe=json.loads(of["HEALTHCHECK"][0].split(" CMD ")[1]),
        user=of["USER"][0],
    )


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Do what the build stage does, with its own words, in a folder instead of a container."""
    folder = tmp_path_factory.mktemp("image")
    source = folder / "src"
    source.mkdir()
    for name in _sent_to_the_engine():
        subprocess.run(["cp", "-r", str(ROOT / name), str(source)], check=True)
    for run in recipe().runs:
        if "/var/lib" in run:
            continue  # the second stage: a directory of the image's own user
        command = run.replace(IMAGE, f"{folder}{IMAGE}").replace("/build", f"{folder}/build")
        command = command.replace("python -m venv", f"{sys.executable} -m venv")
        subprocess.run(command, shell=True, check=True, cwd=source, capture_output=True)
    return folder


def _sent_to_the_engine() -> list[str]:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignored[0] == "*"
    return [line[1:] for line in ignored if line.startswith("!")]


@pytest.fixture(scope="module")
def started(image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """Start the image's command with the image's variables, as a site would configure it."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "north.jwks.json").write_text(json.dumps(public(key("P-384"))))
    (folder / "issuers.toml").write_text(
        '[[issuer]]\nname = "north"\nissuer = "https://ehr.north.example"\n'
        'key_set_file = "north.jwks.json"\nfhir_bases = ["https://fhir.north.example/r4"]\n'
    )
    environment = recipe().environment | {
        "PATH": f"{image}{IMAGE}/bin",
        "CDS_SERVICE_DATABASE_URL": f"sqlite:///{folder}/volume/cds-service.sqlite3",
        "CDS_SERVICE_ISSUERS_FILE": str(folder / "issuers.toml"),
        "CDS_SERVICE_PUBLIC_URL": "https://cds.example.org",
        "CDS_SERVICE_PRODUCTION": "true",
    }
    program, *arguments = recipe().command
    with serving(folder, environment, command=(f"{image}{IMAGE}/bin/{program}", *arguments)) as it:
        yield it


def test_the_wheel_carries_what_is_no_code(image: Path) -> None:
    [wheel] = (image / "src" / "dist").glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for wanted in (
        r"cds_service/data/knowledge\.toml",
        r"cds_service/cards/long-term-renewal-social-pain\.toml",
        r"cds_service/hooks/schemas/request\.json",
        r"cds_service/migrations/versions/.+\.py",
        r"cds_service/py\.typed",
        r"cds_service-.+\.dist-info/licenses/LICENSE",
    ):
        assert any(re.fullmatch(wanted, name) for name in names), wanted
    assert not [name for name in names if name.startswith(("tests/", "fhir_fixtures/"))]


def test_the_image_runs_as_nobody_in_particular() -> None:
    assert recipe().user == "10001:10001"


def test_the_image_has_nothing_installed_but_what_is_locked(image: Path) -> None:
    pip = [f"{image}{IMAGE}/bin/python", "-m", "pip", "list", "--format", "freeze"]
    listed = subprocess.run(pip, check=True, capture_output=True, text=True).stdout
    locked = (ROOT / "requirements.lock").read_text()
    for line in listed.lower().splitlines():
        name = re.sub(r"[._]", "-", line.split("==")[0])
        if name not in {"pip", "setuptools", "cds-service"}:
            assert re.search(rf"^{name}=={re.escape(line.split('==')[1])}", locked, re.M), line


def test_the_command_starts_and_the_health_check_passes(image: Path, started: Process) -> None:
    program, *arguments = recipe().probe
    assert program == "python"
    probe = [word.replace(":8000", f":{started.port}") for word in arguments]
    python = f"{image}{IMAGE}/bin/python"
    assert subprocess.run([python, *probe], check=False).returncode == 0
    version = requests.get(f"{started.base}/readyz", timeout=5).json()["knowledge"]
    assert version


def test_the_image_asks_who_is_calling(started: Process) -> None:
    assert requests.get(f"{started.base}/cds-services", timeout=5).status_code == 200
    assert started.post(ORDER_SIGN, {}).status_code == 401


def test_the_command_checks_what_it_carries(image: Path) -> None:
    program = f"{image}{IMAGE}/bin/cds-service"
    done = subprocess.run([program, "check"], check=True, capture_output=True, cwd=image, env={})
    assert done.stdout.endswith(b"all well\n")


def test_without_issuers_the_image_refuses_to_start(image: Path) -> None:
    program, *arguments = recipe().command
    done = subprocess.run(
        [f"{image}{IMAGE}/bin/{program}", *arguments],
        check=False,
        capture_output=True,
        cwd=image,
        env={"CDS_SERVICE_HOST": recipe().environment["CDS_SERVICE_HOST"]},
    )
    assert done.returncode == 2
    assert b"CDS_SERVICE_ISSUERS_FILE" in done.stderr


def test_the_health_check_fails_where_nothing_listens(image: Path, started: Process) -> None:
    assert started.stop() == 0
    probe = [word.replace(":8000", f":{started.port}") for word in recipe().probe[1:]]
    python = f"{image}{IMAGE}/bin/python"
    assert subprocess.run([python, *probe], check=False, capture_output=True).returncode != 0

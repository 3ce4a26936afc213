"""Whatever is wrong with its configuration, the service does not start, soon, and says what."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from cds_service.hooks.card_files import packaged_cards
from cds_service.loading import DATA_DIRECTORY
from tests.process import COMMAND

pytestmark = pytest.mark.server

ISSUER = '[[issuer]]\nname = "north"\nissuer = "n"\nkey_set_url = "https://n.example/jwks"\n'
KEY = "0123456789abcdef"
PRODUCTION = {"PRODUCTION": "true", "PUBLIC_URL": "https://cds.example.org"}


def issuers(text: str) -> Callable[[Path], dict[str, str]]:
    def write(folder: Path) -> dict[str, str]:
        (folder / "issuers.toml").write_text(text)
        file = str(folder / "issuers.toml")
        return {"ISSUERS_FILE": file, "PUBLIC_URL": "https://cds.example.org"}

    return write


def altered(setting: str, source: Path, file: str) -> Callable[[Path], dict[str, str]]:
    """Copy a directory with one byte more in one of its files."""

    def write(folder: Path) -> dict[str, str]:
        shutil.copytree(source, folder / "copy")
        with (folder / "copy" / file).open("a") as text:
            text.write("x")
        return {setting: str(folder / "copy")}

    return write


def no_certificate(folder: Path) -> dict[str, str]:
    (folder / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    return {"CA_FILE": str(folder / "ca.pem")}


def given(**settings: str) -> Callable[[Path], dict[str, str]]:
    return lambda _: settings


BROKEN: tuple[tuple[Callable[[Path], dict[str, str]], str], ...] = (
    (given(PORT="http"), "CDS_SERVICE_PORT"),
    (given(MISSPELT="x"), "CDS_SERVICE_MISSPELT"),
    (given(HOST="0.0.0.0"), "CDS_SERVICE_HOST"),
    (given(HOST="::1"), "CDS_SERVICE_HOST"),
    (given(THREADS="9"), "CDS_SERVICE_THREADS"),
    (given(TIME_ZONE="Mars"), "CDS_SERVICE_TIME_ZONE"),
    (given(RULES_OFF="no-such-rule"), "CDS_SERVICE_RULES_OFF"),
    (given(DATABASE_URL="mysql://nowhere"), "CDS_SERVICE_DATABASE_URL"),
    (given(DATABASE_URL="sqlite:////proc/nowhere/x.sqlite3"), "CDS_SERVICE_DATABASE_URL"),
    (given(CA_FILE="nowhere.pem"), "CDS_SERVICE_CA_FILE: cannot be read"),
    (no_certificate, "CDS_SERVICE_CA_FILE: holds no certificate"),
    (given(AUDIT_FILE="audit.ndjson"), "CDS_SERVICE_AUDIT_KEY"),
    (
        given(AUDIT_FILE="/proc/nowhere/a", AUDIT_KEY=KEY),
        "CDS_SERVICE_AUDIT_FILE: cannot be written: No such file or directory",
    ),
    (given(AUDIT_FILE="/", AUDIT_KEY=KEY), "CDS_SERVICE_AUDIT_FILE: cannot be written: Is a dir"),
    (given(METRICS_PORT="1", METRICS_HOST="no.invalid"), "CDS_SERVICE_METRICS_HOST: is no address"),
    (given(METRICS_PORT="1", METRICS_HOST="a..b"), "CDS_SERVICE_METRICS_HOST"),
    (given(METRICS_PORT="1", METRICS_HOST="192.0.2.1"), "CDS_SERVICE_METRICS_HOST"),
    (given(DEMO_PATIENTS="nowhere"), "CDS_SERVICE_DEMO_PATIENTS"),
    (given(DATA_DIRECTORY="nowhere"), "knowledge.toml"),
    (given(CARDS_DIRECTORY="nowhere"), ".toml"),
    (given(**PRODUCTION), "CDS_SERVICE_ISSUERS_FILE"),
    (given(**PRODUCTION, TRUST_SANDBOX="true"), "CDS_SERVICE_TRUST_SANDBOX"),
    (given(ISSUERS_FILE="nowhere.toml", PUBLIC_URL="https://x.example"), "nowhere.toml"),
    (issuers("[[issuer]\n"), "issuers.toml"),
    (issuers(ISSUER.replace("key_set_url", "key_set_uri")), "key_set_uri"),
    (issuers(ISSUER.replace("https:", "http:")), "https://"),
    (issuers(ISSUER + ISSUER), "issuers.toml"),
    (issuers(ISSUER + 'silent_rules = ["no-such-rule"]\n'), "silent_rules"),
    (altered("DATA_DIRECTORY", DATA_DIRECTORY, "social-pain.csv"), "social-pain.csv"),
    (altered("CARDS_DIRECTORY", packaged_cards(), "phrases.toml"), "phrases.toml"),
)


@pytest.mark.parametrize(("configured", "named"), BROKEN, ids=[named for _, named in BROKEN])
def test_a_broken_configuration_ends_the_start_and_is_named(
    tmp_path: Path, configured: Callable[[Path], dict[str, str]], named: str
) -> None:
    began = os.times().children_user
    ended = run(tmp_path, configured(tmp_path))
    assert ended.returncode in {2, 3}
    assert named in ended.stderr
    assert "Traceback" not in ended.stderr
    assert os.times().children_user - began < 2  # its own time, not that of a busy machine


def test_a_port_for_metrics_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = run(tmp_path, {"METRICS_PORT": port})
    assert ended.returncode == 2
    assert [line for line in ended.stderr.splitlines() if not line.startswith("{")] == [
        f"CDS_SERVICE_METRICS_PORT: cannot listen on 127.0.0.1 port {port}: "
        "Address already in use; choose another"
    ]


def run(folder: Path, settings: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    environment = {f"CDS_SERVICE_{name}": value for name, value in settings.items()}
    return subprocess.run(
        COMMAND,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "CDS_SERVICE_PORT": "0", **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )

"""`cds-service check` finds, in the words of `serve`, what would keep the service from its work."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cds_service.cli import main
from tests.web.tokens import key, public

KEY = "0123456789abcdef"


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def check(**environment: object) -> Result:
    settings = {f"CDS_SERVICE_{name.upper()}": str(value) for name, value in environment.items()}
    return CliRunner().invoke(main, ["check"], env=settings)


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"database_url": "foo"}, "CDS_SERVICE_DATABASE_URL: must be sqlite:///path/to/file or"),
        ({"database_url": "mysql://user:secret@h/x"}, "CDS_SERVICE_DATABASE_URL: must be sqlite"),
        ({"database_url": "postgres://h/x"}, "CDS_SERVICE_DATABASE_URL: must be sqlite"),
        (
            {"database_url": "sqlite:////proc/none/x.sqlite3"},
            "CDS_SERVICE_DATABASE_URL: the file /proc/none/x.sqlite3 cannot be made: No such file",
        ),
        (
            {"database_url": "sqlite:////"},
            "CDS_SERVICE_DATABASE_URL: the file / cannot be written: Is a directory; name one in",
        ),
        (
            {"audit_file": "/proc/nope/a", "audit_key": KEY},
            "CDS_SERVICE_AUDIT_FILE: cannot be written: No such file or directory; name a file in",
        ),
        (
            {"audit_file": "/", "audit_key": KEY},
            "CDS_SERVICE_AUDIT_FILE: cannot be written: Is a directory; name a file in",
        ),
        ({"metrics_port": 9123, "metrics_host": "no.invalid"}, "CDS_SERVICE_METRICS_HOST: is no"),
        ({"metrics_port": 8000}, "CDS_SERVICE_METRICS_PORT: is the port of the service itself"),
        ({"demo_patients": "/etc/passwd"}, "CDS_SERVICE_DEMO_PATIENTS: must be a directory"),
        ({"ca_file": "nowhere.pem"}, "CDS_SERVICE_CA_FILE: cannot be read"),
    ],
)
def test_what_serve_would_refuse_is_found(environment: dict[str, object], said: str) -> None:
    result = check(**environment)
    assert result.exit_code == 2
    [line] = result.stderr.splitlines()
    assert line.startswith(said)
    assert "secret" not in line


def test_every_fault_is_named_at_once() -> None:
    result = check(database_url="foo", audit_file="/", audit_key=KEY, ca_file="nowhere.pem")
    assert [line.partition(":")[0] for line in result.stderr.splitlines()] == [
        "CDS_SERVICE_CA_FILE",
        "CDS_SERVICE_DATABASE_URL",
        "CDS_SERVICE_AUDIT_FILE",
    ]


def test_checking_makes_no_file_and_wants_no_port(tmp_path: Path) -> None:
    # It runs beside the service, and perhaps as another user.
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        socket.create_server(("127.0.0.1", 0)) as taken_too,
    ):
        port, other = taken.getsockname()[1], taken_too.getsockname()[1]
        database = f"sqlite:///{tmp_path / 'var' / 'store.sqlite3'}"
        audit = {"audit_file": tmp_path / "audit" / "audit.ndjson", "audit_key": KEY}
        result = check(database_url=database, port=port, metrics_port=other, **audit)
    assert result.output.splitlines()[-1] == "all well"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: No such file or directory"),
        ("<html>", "is not a JSON object; a JSON Web Key Set is needed"),
        ('{"keys": []}', "holds no public key of P-256, P-384 or RSA (2048 bits or more) that"),
    ],
)
def test_a_key_set_file_without_keys_is_named_with_its_issuer(
    tmp_path: Path, content: str | None, said: str
) -> None:
    file = tmp_path / "north.jwks.json"
    if content is not None:
        file.write_text(content)
    result = check(**issued_by(tmp_path))
    assert result.exit_code == 2
    assert result.stderr.startswith(f"issuer north: key_set_file: {file} {said}")
    file.write_text(json.dumps(public(key("P-384"))))
    assert check(**issued_by(tmp_path)).exit_code == 0


def issued_by(folder: Path) -> dict[str, object]:
    file = folder / "issuers.toml"
    file.write_text('[[issuer]]\nname = "north"\nissuer = "n"\nkey_set_file = "north.jwks.json"\n')
    return {"issuers_file": file, "public_url": "https://cds.example.org"}

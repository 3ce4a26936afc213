"""SIGHUP: the issuers are read again while calls come, and a file with a fault changes nothing."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.fhir.stub_server import StubServer, gives, stub_server
from tests.process import Process, request_of_today, serving
from tests.web.service import ORDER_SIGN, WARNED
from tests.web.test_server import free_port, metrics_of
from tests.web.tokens import NORTH, PUBLIC_URL, Key, bearer, claims, key, public, signed

pytestmark = pytest.mark.server

SOUTH = "https://south.example/fhir"
OF_NORTH, OF_SOUTH = key("P-384", "north"), key("P-384", "south")


@pytest.fixture
def keys() -> Iterator[StubServer]:
    with stub_server() as stub:
        stub.behaviours["north"] = gives(public(OF_NORTH))
        stub.behaviours["south"] = gives(public(OF_SOUTH))
        yield stub


def record(name: str, issuer: str, keys: StubServer, more: str = "") -> str:
    address = f"{keys.base}/{name}"
    return f'[[issuer]]\nname = "{name}"\nissuer = "{issuer}"\nkey_set_url = "{address}"\n{more}\n'


@contextmanager
def told(folder: Path, records: str, **more: Any) -> Iterator[tuple[Process, Path]]:
    """Serve the issuers of these records; with the file that may be changed."""
    file = folder / "issuers.toml"
    file.write_text(records)
    environment = {
        "CDS_SERVICE_ISSUERS_FILE": str(file),
        "CDS_SERVICE_PUBLIC_URL": PUBLIC_URL,
        **more.pop("environment", {}),
    }
    with serving(folder, environment, **more) as service:
        yield service, file


def answer(service: Process, by: Key, issuer: str) -> tuple[int, int]:
    """Return the status, and how many cards came."""
    now = time.time()
    token = signed(claims(iss=issuer, iat=now, exp=now + 300), by=by)
    headers = {"Authorization": bearer(token)}
    response = service.post(ORDER_SIGN, request_of_today(WARNED), headers=headers)
    return response.status_code, len(response.json().get("cards", ()))


def hung_up(service: Process, event: str) -> dict[str, Any]:
    """Send SIGHUP and return the line that says what came of it."""
    before = len(service.log)
    service.popen.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        for line in service.log[before:]:
            if line["event"] == event:
                return line
        time.sleep(0.02)
    raise AssertionError(f"no {event} in {service.log[before:]}")


def test_a_new_issuer_is_let_in_at_once_and_one_taken_out_no_longer(
    tmp_path: Path, keys: StubServer
) -> None:
    with told(tmp_path, record("north", NORTH, keys)) as (service, file):
        assert answer(service, OF_NORTH, NORTH) == (200, 1)
        assert answer(service, OF_SOUTH, SOUTH)[0] == 401
        file.write_text(record("north", NORTH, keys) + record("south", SOUTH, keys))
        assert hung_up(service, "reloaded")["issuers"] == ["north", "south"]
        assert answer(service, OF_NORTH, NORTH) == (200, 1)
        assert answer(service, OF_SOUTH, SOUTH) == (200, 1)
        file.write_text(record("south", SOUTH, keys))
        hung_up(service, "reloaded")
        assert answer(service, OF_NORTH, NORTH)[0] == 401
        assert answer(service, OF_SOUTH, SOUTH) == (200, 1)
        assert keys.hits("north") == keys.hits("south") == 1  # keys that are known are kept


def test_a_rule_is_heard_from_the_moment_it_is_no_longer_silent(
    tmp_path: Path, keys: StubServer
) -> None:
    silent = record("north", NORTH, keys, 'silent_rules = ["*"]')
    with told(tmp_path, silent) as (service, file):
        assert answer(service, OF_NORTH, NORTH) == (200, 0)
        file.write_text(record("north", NORTH, keys))
        hung_up(service, "reloaded")
        assert answer(service, OF_NORTH, NORTH) == (200, 1)


def test_a_key_set_at_another_address_takes_the_place_of_the_old_one(
    tmp_path: Path, keys: StubServer
) -> None:
    with told(tmp_path, record("north", NORTH, keys)) as (service, file):
        assert answer(service, OF_NORTH, NORTH) == (200, 1)
        file.write_text(record("south", NORTH, keys))
        hung_up(service, "reloaded")
        assert answer(service, OF_NORTH, NORTH)[0] == 401
        assert answer(service, OF_SOUTH, NORTH) == (200, 1)


def test_a_new_file_of_keys_counts_at_once(tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps(public(OF_NORTH)))
    records = f'[[issuer]]\nname = "north"\nissuer = "{NORTH}"\nkey_set_file = "keys.json"\n'
    with told(tmp_path, records) as (service, _):
        assert answer(service, OF_NORTH, NORTH) == (200, 1)
        keys.write_text(json.dumps(public(OF_SOUTH)))
        hung_up(service, "reloaded")
        assert answer(service, OF_NORTH, NORTH)[0] == 401
        assert answer(service, OF_SOUTH, NORTH) == (200, 1)


def test_the_log_names_whoever_has_no_keys_and_the_next_reload_asks_for_them_again(
    tmp_path: Path, keys: StubServer
) -> None:
    with told(tmp_path, record("north", NORTH, keys)) as (service, file):
        keys.behaviours["south"] = gives({})
        file.write_text(record("north", NORTH, keys) + record("south", SOUTH, keys))
        assert hung_up(service, "reloaded")["without_keys"] == ["south"]
        keys.behaviours["south"] = gives(public(OF_SOUTH))
        assert hung_up(service, "reloaded")["without_keys"] == []
        assert answer(service, OF_SOUTH, SOUTH) == (200, 1)


def test_the_start_names_whoever_has_no_keys(tmp_path: Path, keys: StubServer) -> None:
    keys.behaviours["south"] = gives({})
    file = '[[issuer]]\nname = "west"\nissuer = "w"\nkey_set_file = "nowhere.json"\n'
    records = record("north", NORTH, keys) + record("south", SOUTH, keys) + file
    with told(tmp_path, records) as (service, _):
        [started] = [line for line in service.log if line["event"] == "started"]
    assert (started["level"], started["without_keys"]) == ("warning", ["south", "west"])


def test_metrics_know_the_issuers_of_now(tmp_path: Path, keys: StubServer) -> None:
    port = free_port()
    published = {"CDS_SERVICE_METRICS_PORT": str(port)}
    records = record("north", NORTH, keys)
    with told(tmp_path, records, environment=published) as (service, file):
        file.write_text(record("south", SOUTH, keys))
        hung_up(service, "reloaded")
        text = metrics_of(port)
    for name in ("cds_circuit_open", "cds_jwks_age_seconds"):
        assert f'{name}{{issuer="south"}}' in text
        assert f'{name}{{issuer="north"}}' not in text


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "[[issuer]]\n",
        "not TOML",
        '[[issuer]]\nname = "Nörth"\n',
        '[[issuer]]\nname = "a"\nissuer = "a"\nkey_set_file = "a"\non_error = []\n',
        f"x = {'[' * 3000}{']' * 3000}\n",
    ],
    ids=["empty", "no name", "no TOML", "bad name", "a list for a text", "deep"],
)
def test_a_file_with_a_fault_changes_nothing_and_the_log_says_what_it_is(
    tmp_path: Path, keys: StubServer, broken: str
) -> None:
    with told(tmp_path, record("north", NORTH, keys)) as (service, file):
        file.write_text(broken)
        line = hung_up(service, "reload-refused")
        assert line["level"] == "error"
        assert line["faults"]
        assert all(fault.startswith("issuers.toml: ") for fault in line["faults"])
        assert answer(service, OF_NORTH, NORTH) == (200, 1)


def test_a_service_without_issuers_survives_a_hangup_and_reads_once(tmp_path: Path) -> None:
    with serving(tmp_path) as service:
        line = hung_up(service, "reloaded")
        assert (line["issuers"], line["without_keys"]) == (["development"], [])
        response = service.post(ORDER_SIGN, request_of_today(WARNED))
        assert (response.status_code, len(response.json()["cards"])) == (200, 1)
        assert [line["event"] for line in service.log].count("reloaded") == 1
        assert service.stop() == 0


def test_a_hangup_while_it_ends_does_not_cut_the_end_short(tmp_path: Path) -> None:
    with serving(tmp_path) as service:
        service.popen.send_signal(signal.SIGTERM)
        for _ in range(200):
            if service.popen.poll() is not None:
                break
            service.popen.send_signal(signal.SIGHUP)
            time.sleep(0.01)
        assert service.popen.wait(15) == 0
        assert service.log[-1]["event"] == "stopped"


def test_a_hangup_while_the_keys_of_the_start_are_awaited_is_a_reload(
    tmp_path: Path, keys: StubServer
) -> None:
    keys.behaviours["north"] = gives(public(OF_NORTH), after_seconds=1.5)

    def hang_up_when_asked(process: subprocess.Popen[bytes]) -> None:
        while not keys.hits("north") and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGHUP)

    records = record("north", NORTH, keys)
    with told(tmp_path, records, meanwhile=hang_up_when_asked) as (service, _):
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and service.log[-1]["event"] != "reloaded":
            time.sleep(0.02)
        assert [line["event"] for line in service.log] == [
            "database-made",
            "started",
            "reloaded",
        ]

"""What starting the service loads, and what it leaves for when it is needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_LOADED = """
import sys
from cds_service.bootstrap import compose
from cds_service.settings import read_settings
from cds_service.web import serving
settings = {"CDS_SERVICE_DATABASE_URL": f"sqlite:///{sys.argv[1]}"}
compose(read_settings(settings), on_loss=print).close()
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def loaded_at_start(database: Path) -> set[str]:
    command = [sys.executable, "-c", _LOADED, str(database)]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def test_a_service_that_has_its_database_starts_without_what_only_checks_and_upgrades_need(
    tmp_path: Path,
) -> None:
    database = tmp_path / "store.sqlite3"
    assert "alembic" in loaded_at_start(database)  # the first start makes the tables
    assert loaded_at_start(database).isdisjoint({"alembic", "mako", "fhir", "pydantic"})

"""The inventory of a data directory: which files belong to it, where from, and their checksums.

What the files mean is left to the other modules of this package.
"""

from __future__ import annotations

import csv
import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from cds_service.clinical.knowledge import DataFile
from cds_service.errors import KnowledgeError

MANIFEST = "knowledge.toml"
DIGEST_LENGTH = 12

_HEADER = """\
# What this directory holds and where it comes from. The build writes version, released, rows and
# sha256; the rest is written by hand. After a change:
# python -m cds_service.data_build --seal DIR --version 2026.11.0-ourhospital.1
"""
_FIELDS: Mapping[str, type] = {
    "content": str,
    "publisher": str,
    "version": str,
    "licence": str,
    "dated": date,
    "rows": int,
    "sha256": str,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """One version of knowledge and its files, sorted by name."""

    version: str
    released: date
    files: tuple[DataFile, ...]

    @property
    def digest(self) -> str:
        """Return the first twelve hexadecimal digits of the checksum over all checksums."""
        listing = "".join(f"{file.sha256}  {file.name}\n" for file in self.files)
        return hashlib.sha256(listing.encode()).hexdigest()[:DIGEST_LENGTH]


def read_manifest(directory: Path) -> Manifest:
    """Read `knowledge.toml`; raise KnowledgeError with every fault in it."""
    try:
        document = tomllib.loads((directory / MANIFEST).read_text(encoding="utf-8"))
    except OSError:
        fault = (
            f"{directory / MANIFEST}: cannot be read, so this is no data directory; let "
            "CDS_SERVICE_DATA_DIRECTORY name a copy of the packaged one"
        )
        raise KnowledgeError((fault,)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise KnowledgeError((f"{MANIFEST}: not TOML: {error}",)) from None
    entries = document.pop("files", None)
    faults = list(_key_faults(document, {"version": str, "released": date}, where=MANIFEST))
    if not isinstance(entries, dict) or not all(isinstance(e, dict) for e in entries.values()):
        faults.append(f"{MANIFEST}: files: not a table for each file")
        entries = {}
    for name, entry in entries.items():
        faults += _key_faults(entry, _FIELDS, where=f"{MANIFEST}: {name}")
    if faults:
        raise KnowledgeError(tuple(faults))
    files = tuple(DataFile(name=name, **entries[name]) for name in sorted(entries))
    return Manifest(version=document["version"], released=document["released"], files=files)


def integrity_faults(directory: Path, manifest: Manifest) -> tuple[str, ...]:
    """Return a fault for every file that is missing, extra, altered since it was sealed, or listed
    with another number of rows than it has.
    """
    faults = list(_inventory_faults(directory, manifest))
    for file in manifest.files:
        path = directory / file.name
        if not path.is_file():
            continue
        if checksum(path) != file.sha256:
            faults.append(
                f"{file.name}: altered (its checksum is not the one in {MANIFEST}); if the change "
                f"is meant: python -m cds_service.data_build --seal {directory} --version VERSION"
            )
        elif (rows := _rows_of(path)) not in (file.rows, None):
            faults.append(f"{MANIFEST}: {file.name}: rows: {file.rows}, but the file has {rows}")
    return tuple(faults)


def seal(directory: Path, *, version: str | None = None, released: date | None = None) -> Manifest:
    """Write `knowledge.toml` as `manifest_of` returns it; raise KnowledgeError as it does."""
    sealed = manifest_of(directory, version=version, released=released)
    (directory / MANIFEST).write_text(_as_toml(sealed), encoding="utf-8", newline="\n")
    return sealed


def manifest_of(
    directory: Path, *, version: str | None = None, released: date | None = None
) -> Manifest:
    """Return the manifest with the row counts and checksums that the files have now.

    Version and date stay as they are where none is given. A file without an entry, or an entry
    without its file, raises KnowledgeError: where a file comes from is for a person to write.
    """
    manifest = read_manifest(directory)
    faults = _inventory_faults(directory, manifest)
    if faults:
        raise KnowledgeError(faults)
    return replace(
        manifest,
        version=version or manifest.version,
        released=released or manifest.released,
        files=tuple(
            replace(
                file, rows=_row_count(directory / file.name), sha256=checksum(directory / file.name)
            )
            for file in manifest.files
        ),
    )


def _inventory_faults(directory: Path, manifest: Manifest) -> tuple[str, ...]:
    listed = {file.name for file in manifest.files}
    present = {path.name for path in directory.iterdir() if path.name != MANIFEST}
    return (
        *(f"{name}: missing" for name in sorted(listed - present)),
        *(
            f"{name}: not listed in {MANIFEST}; remove it, or add an entry"
            for name in sorted(present - listed)
        ),
        *(
            f"{name}: not a file"
            for name in sorted(listed & present)
            if not (directory / name).is_file()
        ),
    )


def checksum(path: Path) -> str:
    """Return the SHA-256 of the file's bytes, in hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _key_faults(
    table: Mapping[str, object], kinds: Mapping[str, type], *, where: str
) -> tuple[str, ...]:
    """Return a fault for every key that is missing, unknown or of another kind."""
    return (
        *(f"{where}: {key}: missing" for key in kinds if key not in table),
        *(f"{where}: {key}: unknown key" for key in table if key not in kinds),
        *(
            f"{where}: {key}: not a {kind.__name__}"
            for key, kind in kinds.items()
            if key in table and type(table[key]) is not kind
        ),
    )


def _rows_of(path: Path) -> int | None:
    """Return the number of rows; None for a file that cannot be read, which its reader tells of."""
    try:
        return _row_count(path)
    except KnowledgeError:
        return None


def _row_count(path: Path) -> int:
    """Return the number of rows below the heading of a table, or of tables of a TOML file."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix == ".csv":
            return sum(1 for _ in csv.reader(text.splitlines(), strict=True)) - 1
        return len(tomllib.loads(text))
    except (ValueError, csv.Error) as error:
        raise KnowledgeError((f"{path.name}: cannot be read: {error}",)) from None


def _as_toml(manifest: Manifest) -> str:
    """Write the manifest; a JSON string is a TOML basic string."""
    lines = [
        _HEADER,
        f"version = {json.dumps(manifest.version)}",
        f"released = {manifest.released.isoformat()}",
    ]
    for file in manifest.files:
        lines += [
            "",
            f"[files.{json.dumps(file.name)}]",
            *(
                f"{key} = {json.dumps(value, ensure_ascii=False) if kind is not date else value}"
                for key, kind in _FIELDS.items()
                for value in (getattr(file, key),)
            ),
        ]
    return "\n".join(lines) + "\n"

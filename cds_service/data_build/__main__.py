"""Command line of the build: `python -m cds_service.data_build SOURCE TARGET`, or `--seal DIR`."""

from __future__ import annotations

import argparse
import sys
from datetime import date
from pathlib import Path

from cds_service.data_build import build_data, seal_changes
from cds_service.errors import KnowledgeError


def main(arguments: list[str] | None = None) -> int:
    """Build or seal a data directory; print every fault and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m cds_service.data_build", description=__doc__)
    parser.add_argument(
        "--seal",
        metavar="DIR",
        type=Path,
        help="only rewrite the checksums; changed files need another --version",
    )
    parser.add_argument("source", nargs="?", type=Path, help="directory of the published tables")
    parser.add_argument("target", nargs="?", type=Path, help="data directory to write")
    parser.add_argument("--version", help="version of the knowledge, e.g. 2026.11.0")
    parser.add_argument("--released", type=date.fromisoformat, help="its date, YYYY-MM-DD")
    given = parser.parse_args(arguments)
    try:
        if given.seal:
            sealed = seal_changes(given.seal, version=given.version, released=given.released)
            done = f"sealed {given.seal}: version {sealed.version}, digest {sealed.digest}"
            sys.stdout.write(f"{done}\n")
        elif given.target and given.version and given.released:
            build_data(given.source, given.target, version=given.version, released=given.released)
        else:
            parser.error("give --seal DIR, or SOURCE TARGET with --version and --released")
    except KnowledgeError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())

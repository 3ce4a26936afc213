"""Whether a file could be written to, tried out without leaving anything behind."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def try_to_write(file: Path) -> None:
    """Raise the OSError that would meet whoever writes to the file, or makes it with its folders.

    No file is made: who checks may be another user than who writes. A pipe that nobody reads cannot
    be written to.
    """
    if file.exists():
        os.close(os.open(file, os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK))
        return
    folder = next(folder for folder in file.absolute().parents if folder.exists())
    with tempfile.TemporaryFile(dir=folder):
        pass

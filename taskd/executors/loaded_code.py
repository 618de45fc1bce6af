"""LoadedCode: whether the files behind callables are still what this process imported."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from taskd.core.job import Call


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What tells one version of a file from the next."""

    inode: int
    size: int
    mtime_ns: int


class LoadedCode:
    """Remembers the files of the modules that jobs were resolved from, as they were then."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[Path, Fingerprint]] = {}

    def remember(self, call: Call) -> None:
        """Note the file behind a callable, once; one that is not imported yet is left alone."""
        module = call.target.partition(":")[0]
        if module in self._files or module not in sys.modules:
            return
        file = getattr(sys.modules[module], "__file__", None)
        fingerprint = _fingerprint(Path(file)) if file else None
        if file and fingerprint:
            self._files[module] = (Path(file), fingerprint)

    def changed(self, call: Call) -> Path | None:
        """Return the file behind a callable if it is no longer what was loaded."""
        known = self._files.get(call.target.partition(":")[0])
        if known is None:
            return None
        path, loaded = known
        return path if _fingerprint(path) != loaded else None


def _fingerprint(path: Path) -> Fingerprint | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return Fingerprint(stat.st_ino, stat.st_size, stat.st_mtime_ns)

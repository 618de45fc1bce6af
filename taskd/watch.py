"""The watch on configuration files: one call for each change that has come to rest.

inotify(7), through watchdog, says at once that something stirred; a look at the files' stat data
every two seconds says it for what inotify is blind to: a write through a link to a place that is
not watched, a directory that was removed and made again, a network file system. Either only wakes
the watcher's thread. What changed is always told from the files themselves.
"""

from __future__ import annotations

import glob
import hashlib
import logging
import os
import stat
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final, NamedTuple

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver, ObservedWatch

_CHECK_S: Final = 2.0
_REST_S: Final = 0.1
# A file that is still for so many rests is taken although its writer holds it open: truncate(2)
# never says "closed", and some writers never close.
_PATIENCE: Final = 100

# Without "opened" and "closed unwritten": our own reading would wake us.
_EVENTS: Final[list[type[FileSystemEvent]]] = [
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
]

_log = logging.getLogger("taskd.watch")


class _Sight(NamedTuple):
    device: int
    inode: int
    size: int
    mtime_ns: int


_Look = Mapping[Path, _Sight | None]


@dataclass(frozen=True, slots=True)
class _Scope:
    """What is watched: files by name, and whatever visible file of their kind is in a directory.

    The directories are patterns of glob(7), for they may come and go.
    """

    files: tuple[Path, ...] = ()
    patterns: tuple[str, ...] = ()

    def look(self) -> _Look:
        return {path: _sight(path) for path in (*self.files, *self._listed())}

    def covered(self, paths: Iterable[Path]) -> set[Path]:
        """Those of `paths` that are watched."""
        directories = self._directories()
        return {path for path in paths if path in self.files or path.parent in directories}

    def suffixes(self) -> frozenset[str]:
        """The kinds of file that matter here; a link may lead to a file of another kind."""
        targets = [Path(os.path.realpath(path)) for path in self.files]
        return frozenset({".toml", *(path.suffix for path in (*self.files, *targets))})

    def holders(self) -> set[str]:
        """The directories where an entry decides what the watched names lead to."""
        found = {os.path.realpath(directory) for directory in self._directories()}
        # A new directory that a pattern matches is seen to come in the one above.
        found |= {os.path.realpath(_above(pattern)) for pattern in self.patterns}
        for path in self.files:
            # Path.is_symlink() raises where it may not look; such a name leads nowhere for us.
            links = [place for place in path.parents if os.path.islink(place)]  # noqa: PTH114
            target = Path(os.path.realpath(path))
            found |= {os.path.realpath(place.parent) for place in (path, *links, target)}
        return found

    def _directories(self) -> set[Path]:
        found: set[Path] = set()
        for pattern in self.patterns:
            # Path.glob refuses absolute patterns.
            names = glob.iglob(pattern, recursive=True)  # noqa: PTH207
            found |= {Path(name) for name in names if os.path.isdir(name)}  # noqa: PTH112
        return found

    def _listed(self) -> Iterator[Path]:
        suffixes = self.suffixes()
        for directory in self._directories():
            with suppress(OSError):
                for path in directory.iterdir():
                    # An editor's lock and swap files are hidden ones.
                    if path.suffix in suffixes and not path.name.startswith("."):
                        yield path


class Watcher:
    """Watches files and says when their content has changed and is at rest.

    At rest is a set of files that were closed or moved into place and whose size, time and inode
    have then been the same for 100 ms, so that a rewrite in several writes is never reported half.
    A file held open after a write counts as at rest once it was still for ten seconds.

    `on_change` is called from the watcher's own thread, once for each change of content that
    settled; a touch, or a change that was undone meanwhile, is none. A file that is gone, or came
    back, is a change. Changes are seen within a second where inotify sees them, else within 2.5.
    """

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._scope = _Scope()
        self._look: _Look = {}
        self._digests: Mapping[Path, bytes] = {}
        self._suffixes = frozenset[str]()
        # Holds for the four above and for inotify: watch() may be called from any thread.
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._events: SimpleQueue[FileSystemEvent | None] = SimpleQueue()
        self._inotify = _Inotify(self._stir)
        self._being_written: set[str] = set()  # for the watcher's thread alone
        self._thread = threading.Thread(target=self._run, name="taskd-watch", daemon=True)

    def watch(self, files: Sequence[Path], directories: Sequence[str] = ()) -> None:
        """Watches `files`, and in `directories` every visible file of a suffix of theirs or .toml.

        Directories are named by patterns of glob(7), whose ``**`` is any number of them.

        Replaces what was watched before; any thread may call it, `on_change` too. Call it before
        reading the files: what changes from here on is reported. A file that was watched before is
        compared with what was last reported, so that nothing is lost between two calls.
        """
        scope = _Scope(
            tuple(path.absolute() for path in files),
            tuple(map(os.path.abspath, directories)),
        )
        with self._lock:
            self._follow(scope)
            look = scope.look()
            known = scope.covered(self._look)
            self._digests = {
                **_digests({path: look[path] for path in look.keys() - known}),
                **{path: self._digests[path] for path in known & self._digests.keys()},
            }
            self._look = {**look, **{path: self._look[path] for path in known}}
            self._scope = scope
        if self._thread.ident is None:
            self._thread.start()
        self._events.put(None)

    def close(self) -> None:
        """Stops watching; once it returns, `on_change` is not called any more."""
        self._closed.set()
        self._events.put(None)
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()
        with self._lock:
            self._inotify.close()

    def _run(self) -> None:
        while not self._closed.is_set():
            self._hear(_CHECK_S)
            self._settle()

    def _see(self) -> _Look:
        """Looks at the files, inotify being sure to tell of whatever changes afterwards."""
        with self._lock:
            self._follow(self._scope)
            return self._scope.look()

    def _follow(self, scope: _Scope) -> None:
        self._suffixes = scope.suffixes()
        self._inotify.follow(scope.holders())

    def _settle(self) -> None:
        """Waits for changed files to rest and takes them; returns at once when none changed."""
        look = self._see()
        rests = 0
        while look != self._look and not self._closed.wait(_REST_S):
            self._hear()
            before, look = look, self._see()
            rests = rests + 1 if look == before else 0
            if rests >= (_PATIENCE if self._is_being_written(look) else 1):
                self._take(look)

    def _take(self, look: _Look) -> None:
        digests = _digests(look)
        with self._lock:
            if self._scope.look() != look:
                return  # it moved while it was read
            news = digests != self._digests
            self._look, self._digests = look, digests
        if news:
            self._on_change()

    def _stir(self, event: FileSystemEvent) -> None:
        """Passes on what may concern us; called by watchdog's thread."""
        # A database beside jobs.toml is written all the time; names that come and go are rare.
        is_written = isinstance(event, FileModifiedEvent | FileClosedEvent)
        if not is_written or Path(os.fsdecode(event.src_path)).suffix in self._suffixes:
            self._events.put(event)

    def _hear(self, timeout_s: float = 0) -> None:
        """Takes in the events that have come, waiting at most so long for the first."""
        try:
            event = self._events.get(timeout=timeout_s)
            while True:
                if isinstance(event, FileModifiedEvent):
                    self._being_written.add(os.fsdecode(event.src_path))
                elif event is not None:
                    self._being_written -= {
                        os.fsdecode(event.src_path),
                        os.fsdecode(event.dest_path),
                    }
                event = self._events.get_nowait()
        except Empty:
            return

    def _is_being_written(self, look: _Look) -> bool:
        return any(os.path.realpath(path) in self._being_written for path in look)


class _Inotify:
    """watchdog on a changing set of directories; once it fails, the stat check is alone."""

    def __init__(self, on_event: Callable[[FileSystemEvent], None]) -> None:
        self._handler = _Handler(on_event)
        self._observer: BaseObserver | None = None
        self._watches: dict[tuple[str, int, int], ObservedWatch] = {}
        self._is_blind = False

    def follow(self, directories: Iterable[str]) -> None:
        """Watches these directories, no more; one that was removed and made again is another."""
        if self._is_blind:
            return
        wanted = {identity for place in directories if (identity := _identity(place))}
        try:
            self._adjust(wanted)
        except FileNotFoundError:
            return  # removed this very moment: the next check settles it
        except OSError as error:
            _log.warning("inotify fails (%s): changes of the files are seen within 2.5 s", error)
            self._is_blind = True
            self.close()

    def _adjust(self, wanted: set[tuple[str, int, int]]) -> None:
        if self._observer is None:
            observer = Observer()
            observer.start()
            self._observer = observer
        for gone in self._watches.keys() - wanted:
            self._observer.unschedule(self._watches.pop(gone))
        for new in wanted - self._watches.keys():
            path, _, _ = new
            self._watches[new] = self._observer.schedule(self._handler, path, event_filter=_EVENTS)

    def close(self) -> None:
        self._watches.clear()
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()
            self._observer = None


class _Handler(FileSystemEventHandler):
    def __init__(self, on_event: Callable[[FileSystemEvent], None]) -> None:
        self._on_event = on_event

    def dispatch(self, event: FileSystemEvent) -> None:
        self._on_event(event)


def _sight(path: Path) -> _Sight | None:
    try:
        status = path.stat()
    except OSError:
        return None
    if not stat.S_ISREG(status.st_mode):
        return None  # reading a pipe would wait for its writer
    return _Sight(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def _digests(look: _Look) -> dict[Path, bytes]:
    """The content of each file that is there and can be read."""
    found = {}
    for path, sight in look.items():
        if sight is not None:
            with suppress(OSError):
                found[path] = hashlib.sha256(path.read_bytes()).digest()
    return found


def _above(pattern: str) -> str:
    """The directory above the first part of `pattern` that is no plain name."""
    while glob.has_magic(pattern):
        pattern = os.path.dirname(pattern)  # noqa: PTH120
    return pattern


def _identity(directory: str) -> tuple[str, int, int] | None:
    try:
        status = Path(directory).stat()
    except OSError:
        return None
    return directory, status.st_dev, status.st_ino

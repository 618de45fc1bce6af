"""Fixtures of the daemon's tests."""

from tests.daemon.live import live

__all__ = ["live"]

"""Run an adapter: a request a line in, an answer a line out (`benchmarks.contract`)."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import os
import sys
import traceback
from pathlib import Path
from threading import Thread
from typing import Any

from benchmarks.contract import Measures, Unable


def main(module: str, home: str, setting: str) -> None:
    """Serve the adapter of that name until nobody asks any more."""
    # What a contestant prints must not come between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    contestant = importlib.import_module(f"benchmarks.adapters.{module}").Contestant(
        Path(home), setting
    )
    # In a thread of its own, so that an asynchronous contestant goes on between two requests.
    events = asyncio.new_event_loop()
    Thread(target=events.run_forever, daemon=True).start()
    for line in sys.stdin:
        answers.write(json.dumps(_answer(contestant, json.loads(line), events)) + "\n")
        answers.flush()


def _answer(
    contestant: Measures, request: dict[str, Any], events: asyncio.AbstractEventLoop
) -> object:
    try:
        figures = getattr(contestant, request["measure"])(**request["with"])
        if inspect.iscoroutine(figures):
            figures = asyncio.run_coroutine_threadsafe(figures, events).result()
    except Unable as reason:
        return {"unable": str(reason)}
    # Whatever a contestant raises is its answer.
    except Exception:  # noqa: BLE001
        return {"broken": traceback.format_exc()}
    return {"figures": figures}


if __name__ == "__main__":
    main(*sys.argv[1:])
    os._exit(0)  # a contestant's threads and pools must not hold up the next one

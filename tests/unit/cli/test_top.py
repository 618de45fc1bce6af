from __future__ import annotations

import json

from tests.unit.cli.conftest import Taskd, Terminal
from tests.unit.cli.peer import Peer
from tests.unit.cli.test_picture import top_document


def test_in_a_pipe_top_prints_the_picture_once_and_without_colour(
    taskd_process: Taskd, peer: Peer
) -> None:
    peer.answers_with("GET", "/v1/top", top_document())
    ended = taskd_process("top")
    assert ended.status == 0
    assert "NEXT" in ended.out
    assert "\x1b" not in ended.out
    assert peer.requests[0].target == "/v1/top?n=50"


def test_top_once_on_a_terminal_has_its_width_and_colours_states(
    taskd_terminal: Terminal, peer: Peer
) -> None:
    peer.answers_with("GET", "/v1/top", top_document())
    sent = taskd_terminal("top", "--once", "-n", "2", columns=100)
    assert "\x1b[31mFAILED" in sent
    assert "\x1b[?1049h" not in sent  # the alternate screen


def test_top_json_is_the_document_of_the_api(taskd: Taskd, peer: Peer) -> None:
    peer.answers_with("GET", "/v1/top", top_document())
    assert json.loads(taskd("top", "--json").out) == top_document()
    assert taskd("top", "--curl").out.endswith(" 'http://taskd/v1/top?n=50'\n")

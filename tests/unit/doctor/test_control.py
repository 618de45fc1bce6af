from __future__ import annotations

import socket
from pathlib import Path

from taskd.doctor.control import control
from taskd.doctor.finding import Finding, Verdict


def the_one(*sockets: Path, served: Path | None = None) -> Finding:
    (finding,) = control(sockets, served)
    return finding


def test_a_socket_that_can_be_made_is_well(tmp_path: Path) -> None:
    finding = the_one(tmp_path / "run" / "s", tmp_path / "other")
    assert finding.verdict is Verdict.OK
    assert str(tmp_path / "run" / "s") in finding.message


def test_a_path_that_no_socket_can_have_is_a_problem(tmp_path: Path) -> None:
    finding = the_one(tmp_path / ("x" * 107))
    assert (finding.verdict, finding.check) == (Verdict.PROBLEM, "socket")


def test_a_directory_where_all_may_replace_the_socket_is_a_problem(tmp_path: Path) -> None:
    folder = tmp_path / "all"
    folder.mkdir()
    folder.chmod(0o777)
    found = [f for f in control([folder / "s"], None) if f.verdict is Verdict.PROBLEM]
    assert [finding.fix for finding in found] == [f"chmod o-w {folder}"]


def test_a_file_in_its_place_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "s").touch()
    assert "is no socket" in the_one(tmp_path / "s").message


def test_a_dead_socket_will_be_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "s"))
    finding = the_one(tmp_path / "s")
    assert finding.verdict is Verdict.OK
    assert "dead" in finding.message


def test_somebody_elses_live_socket_is_a_warning(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "s"))
        other.listen()
        assert the_one(tmp_path / "s").verdict is Verdict.WARNING


def test_the_socket_of_the_daemon_is_private(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as served:
        served.bind(str(path))
        path.chmod(0o600)
        assert the_one(path, served=path).verdict is Verdict.OK
        path.chmod(0o666)
        assert the_one(path, served=path).fix == f"chmod 600 {path}"

"""Successes: the attempts that are not kept beside their runs, which tell all there is of them."""

from taskd.core.run import Attempt, Outcome, Run, RunState


def success_of(run: Run) -> Attempt:
    """Return the attempt that `run` succeeded with, of which nothing else is known."""
    assert run.state is RunState.SUCCEEDED
    assert run.started_at is not None
    assert run.finished_at is not None
    return Attempt(
        run=run.id,
        number=run.attempt,
        outcome=Outcome.SUCCEEDED,
        started_at=run.started_at,
        finished_at=run.finished_at,
        node=run.node,
        pid=run.pid,
        fence=run.fence,
    )

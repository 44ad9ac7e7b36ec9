"""ASGI's lifespan: what an application may do at start and stop, and what its worker makes of it."""

import asyncio
import contextlib
import logging

import pytest
from starlette.applications import Starlette
from tests.server.asgi_fakes import run, settle

from interlock.server.context import ServerContext
from interlock.server.lifespan import Lifespan, LifespanFailure


def lifespan(app, mode="auto"):
    return Lifespan(app, ServerContext(), mode=mode)


def nothing_left():
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def whole(app, mode="auto"):
    """Start and stop."""
    made = lifespan(app, mode)
    try:
        await made.startup()
        await made.shutdown()
    finally:
        nothing_left()
    return made


def conversation(*answers, then=None):
    """An application that answers each message that it receives."""

    async def app(scope, receive, send):
        app.scope = scope
        for answer in answers:
            app.received.append(await receive())
            await send(answer)
        if then is not None:
            await then()

    app.received = []
    return app


STARTED = {"type": "lifespan.startup.complete"}
STOPPED = {"type": "lifespan.shutdown.complete"}


async def fail(*_):
    raise ValueError("boom")


@pytest.mark.parametrize("mode", ["auto", "on"])
def test_start_and_stop(mode, caplog):
    app = conversation(STARTED, STOPPED)
    made = run(whole(app, mode))
    assert app.received == [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    assert app.scope == {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
    assert app.scope["state"] is made.state
    assert caplog.records == []


def test_off_never_calls_the_application():
    run(whole(fail, "off"))


def test_an_unknown_mode():
    with pytest.raises(ValueError, match="auto, on or off"):
        lifespan(fail, "maybe")


def test_auto_serves_an_application_that_does_not_know_the_protocol(caplog):
    with caplog.at_level(logging.INFO):
        run(whole(fail))
    (record,) = caplog.records
    assert (record.levelno, record.exc_info) == (logging.INFO, None)


def test_auto_warns_of_an_application_that_does_know_it_and_raises(caplog):
    async def app(scope, receive, send):
        await receive()
        raise ValueError("boom")

    run(whole(app))
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert str(record.exc_info[1]) == "boom"


def test_on_refuses_an_application_that_raises():
    with pytest.raises(LifespanFailure, match="ValueError: boom") as caught:
        run(whole(fail, "on"))
    assert isinstance(caught.value.__cause__, ValueError)


@pytest.mark.parametrize("mode", ["auto", "on"])
def test_an_application_that_returns_at_once_is_served(mode):
    async def app(scope, receive, send):
        return

    run(whole(app, mode))


@pytest.mark.parametrize("mode", ["auto", "on"])
@pytest.mark.parametrize("then", [None, fail, asyncio.Event().wait])
def test_startup_failed(mode, then, caplog):
    app = conversation({"type": "lifespan.startup.failed", "message": "no database"}, then=then)
    with pytest.raises(LifespanFailure, match="no database"):
        run(whole(app, mode))
    assert caplog.records == []


def test_startup_failed_without_a_message():
    with pytest.raises(LifespanFailure, match="no reason"):
        run(whole(conversation({"type": "lifespan.startup.failed"})))


def test_shutdown_failed_is_logged(caplog):
    run(whole(conversation(STARTED, {"type": "lifespan.shutdown.failed", "message": "no luck\n"}, then=fail)))
    (record,) = caplog.records
    assert record.getMessage().endswith("no luck")


@pytest.mark.parametrize("mode", ["auto", "on"])
def test_an_error_at_shutdown_is_logged(mode, caplog):
    async def app(scope, receive, send):
        await receive()
        await send(STARTED)
        await receive()
        raise ValueError

    run(whole(app, mode))
    (record,) = caplog.records
    assert isinstance(record.exc_info[1], ValueError)


def test_an_application_that_ends_while_its_worker_serves(caplog):
    async def main():
        made = lifespan(conversation(STARTED, then=fail))
        await made.startup()
        await settle()
        assert len(caplog.records) == 1
        await made.shutdown()
        nothing_left()

    run(main())
    assert len(caplog.records) == 1


def test_what_goes_on_after_the_end_is_cancelled():
    run(whole(conversation(STARTED, STOPPED, then=asyncio.Event().wait)))


def test_receiving_after_shutdown_waits():
    async def app(scope, receive, send):
        await conversation(STARTED, STOPPED)(scope, receive, send)
        await receive()

    run(whole(app))


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([STOPPED], "lifespan.startup.complete or lifespan.startup.failed"),
        ([STARTED, STARTED], "lifespan.shutdown.complete or lifespan.shutdown.failed"),
    ],
)
def test_an_answer_out_of_order(answers, expected, caplog):
    errors = []

    async def app(scope, receive, send):
        try:
            await conversation(*answers)(scope, receive, send)
        except RuntimeError as error:
            errors.append(str(error))

    run(whole(app))
    assert expected in errors[0]


def test_an_answer_before_it_is_asked_for():
    async def app(scope, receive, send):
        await receive()
        await send(STARTED)
        with pytest.raises(RuntimeError, match="expected nothing"):
            await send(STOPPED)
        await receive()
        await send(STOPPED)

    run(whole(app))


@pytest.mark.parametrize("stage", ["startup", "shutdown"])
def test_cancelling_either_leaves_nothing(stage):
    async def main():
        answers = [] if stage == "startup" else [STARTED]
        made = lifespan(conversation(*answers, then=asyncio.Event().wait))
        if stage == "shutdown":
            await made.startup()
        waiting = asyncio.create_task(made.startup() if stage == "startup" else made.shutdown())
        await settle()
        assert not waiting.done()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        nothing_left()

    run(main())


def test_stopping_what_was_never_started():
    run(lifespan(fail).shutdown())


def test_starlette_leaves_its_state():
    seen = []

    @contextlib.asynccontextmanager
    async def state(app):
        seen.append("up")
        yield {"pool": 1}
        seen.append("down")

    made = run(whole(Starlette(lifespan=state), "on"))
    assert (made.state, seen) == ({"pool": 1}, ["up", "down"])


def test_starlette_that_cannot_start():
    @contextlib.asynccontextmanager
    async def broken(app):
        raise ValueError("no database")
        yield

    with pytest.raises(LifespanFailure, match="no database"):
        run(whole(Starlette(lifespan=broken)))

"""From words to an application."""

import functools
import sys

import pytest

from interlock.server.errors import StartError
from interlock.server.loading import ASGI, ASGI2, WSGI, interface_of, load

HELLO = """
def wsgi(environ, start_response): ...
async def asgi(scope, receive, send): ...
app = asgi
class holder:
    class inner:
        app = staticmethod(wsgi)
def create_app(name="x", *, debug=False):
    def made(environ, start_response): ...
    made.name, made.debug = name, debug
    return made
def broken_factory():
    raise RuntimeError("no database")
def none_factory(): ...
async def async_factory(): ...
text = "text"
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes modules into a directory of their own, and forgets them after the test."""
    monkeypatch.setattr(sys, "path", sys.path.copy())
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    known = set(sys.modules)

    def write(**sources):
        for name, source in sources.items():
            (tmp_path / f"{name}.py").write_text(source)
        return str(tmp_path)

    write(il_hello=HELLO)
    monkeypatch.chdir(tmp_path)
    yield write
    for name in set(sys.modules) - known:
        if name.startswith("il_"):
            del sys.modules[name]


def failure(spec, **options):
    with pytest.raises(StartError) as caught:
        load(spec, **options)
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("spec", "name", "interface"),
    [
        ("il_hello:wsgi", "il_hello:wsgi", WSGI),
        ("il_hello:asgi", "il_hello:asgi", ASGI),
        ("il_hello", "il_hello:app", ASGI),
        ("il_hello:holder.inner.app", "il_hello:holder.inner.app", WSGI),
        ("il_hello:create_app()", "il_hello:create_app()", WSGI),
    ],
)
def test_what_a_spec_names(module, spec, name, interface):
    loaded = load(spec)
    assert (loaded.name, loaded.interface) == (name, interface)
    assert callable(loaded.app)


def test_a_module_alone_stands_for_its_application_too(module):
    module(il_other="def application(environ, start_response): ...")
    assert load("il_other").name == "il_other:application"


def test_a_module_in_a_package(module, tmp_path):
    (tmp_path / "il_pack").mkdir()
    (tmp_path / "il_pack" / "web.py").write_text("async def app(scope, receive, send): ...")
    assert load("il_pack.web:app").interface == ASGI


def test_a_factory_with_arguments(module):
    app = load("il_hello:create_app('shop', debug=True)").app
    assert (app.name, app.debug) == ("shop", True)


def test_a_factory_by_option(module):
    assert load("il_hello:create_app", factory=True).app.name == "x"


def test_another_directory(module, tmp_path, monkeypatch):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "il_inside.py").write_text("def app(environ, start_response): ...")
    assert load("il_inside:app", app_dir="src").interface == WSGI
    assert sys.path[0] == str(tmp_path / "src")


def test_the_directory_goes_before_all_others(module, tmp_path):
    load("il_hello")
    load("il_hello")
    assert sys.path[0] == str(tmp_path)
    assert sys.path.count(str(tmp_path)) == 1


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("il_helo:app", r"cannot find a module 'il_helo' in .*: did you mean il_hello\?"),
        ("il_hello.web:app", "cannot find a module 'il_hello.web' in "),
        ("il_nothing_like_it:app", "or on sys.path$"),
        ("il_hello:wsgj", r"module il_hello has no attribute 'wsgj': did you mean wsgi\?"),
        ("il_hello:holder.outer.app", "il_hello.holder has no attribute 'outer'"),
        ("il_hello:", "names no attribute behind the colon: write il_hello:app"),
        (":app", "does not name an application as module:attribute"),
        ("il hello:app", "does not name an application as module:attribute"),
        ("./src/il_hello.py", r"did you mean src.il_hello:app\?"),
        ("il_hello.py:asgi", "il_hello.py is a file: name the module, il_hello"),
        ("il_hello:app-", "neither an attribute nor a call"),
        ("il_hello:create_app(open('x'))", "neither an attribute nor a call"),
        ("il_hello:create_app(**{'name': 1})", "neither an attribute nor a call"),
        ("il_hello:(lambda: 1)()", "neither an attribute nor a call"),
        ("il_hello:text", "il_hello:text is no application: a str cannot be called"),
        ("il_hello:text()", "il_hello:text is no factory: a str cannot be called"),
        ("il_hello:create_app(1, 2)", "does not take these arguments: too many positional arguments"),
        ("il_hello:create_app(nmae=1)", "does not take these arguments: got an unexpected keyword argument 'nmae'"),
        ("il_hello:none_factory()", "the factory il_hello:none_factory returned None"),
        ("il_hello:async_factory()", "no factory but a coroutine function"),
        ("il_hello:none_factory", "it takes no arguments: is it a factory"),
    ],
)
def test_what_cannot_be_found_is_told_in_a_line(module, spec, message):
    error = failure(spec)
    with pytest.raises(StartError, match=message):
        raise error
    assert error.traceback == ""
    assert error.report() == str(error)


def test_neither_app_nor_application(module):
    module(il_empty="")
    assert "has neither app nor application" in str(failure("il_empty"))


def test_no_such_directory(module):
    assert str(failure("il_hello", app_dir="nowhere")) == "--app-dir nowhere is no directory"


def test_a_factory_option_for_what_is_none(module):
    assert "does not take these arguments: missing a required argument: 'environ'" in str(
        failure("il_hello:wsgi", factory=True)
    )


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import il_not_there", "ModuleNotFoundError: No module named 'il_not_there'"),
        ("from il_hello import nothing", "ImportError: cannot import name 'nothing' from 'il_hello'"),
        ("def app(:", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("raise RuntimeError", "RuntimeError"),
        ("raise RuntimeError('two\\nlines')", "RuntimeError: two"),
        ("raise SystemExit(0)", "SystemExit: 0"),
        ("try: 1 / 0\nexcept Exception as e: raise KeyError from e", "KeyError"),
    ],
)
def test_an_import_that_raises_is_told_with_its_own_traceback(module, source, message):
    module(il_bad=source)
    error = failure("il_bad:app")
    assert str(error).startswith(f"importing il_bad failed: {message}")
    assert "il_bad.py" in error.traceback
    assert "loading.py" not in error.traceback
    assert "importlib" not in error.traceback
    assert error.report() == f"{error.traceback}{error}"


def test_a_factory_that_raises(module):
    error = failure("il_hello:broken_factory()")
    assert str(error) == "the factory il_hello:broken_factory failed: RuntimeError: no database"
    assert "in broken_factory" in error.traceback
    assert "loading.py" not in error.traceback


def test_a_keyboard_interrupt_is_nobodys_failure(module):
    module(il_slow="raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        load("il_slow:app")


def test_the_interface_can_be_forced(module):
    assert load("il_hello:none_factory", interface="wsgi").interface == WSGI
    assert load("il_hello:none_factory", interface="asgi").interface == ASGI
    assert load("il_hello:wsgi", interface="asgi").interface == ASGI
    assert load("il_hello:asgi", interface="wsgi").interface == WSGI


# Which interface is it?


def wsgi_function(environ, start_response): ...


def wsgi_with_more(environ, start_response, exc_info=None): ...


async def asgi_function(scope, receive, send): ...


def asgi_plain(scope, receive, send): ...


@functools.wraps(asgi_function)
def asgi_decorated(*args, **kwargs): ...


@functools.wraps(wsgi_function)
def wsgi_decorated(*args, **kwargs): ...


def anything(*args, **kwargs): ...


def asgi2_function(scope):
    async def instance(receive, send): ...

    return instance


class WSGIInstance:
    def __call__(self, environ, start_response): ...

    def method(self, environ, start_response): ...


class ASGIInstance:
    async def __call__(self, scope, receive, send): ...

    async def method(self, scope, receive, send): ...


class WSGIClass:
    """PEP 3333: an application can be a class whose instances are iterables."""

    def __init__(self, environ, start_response): ...

    def __iter__(self): ...


class ASGI2Class:
    def __init__(self, scope): ...

    async def __call__(self, receive, send): ...


class ASGI3Class:
    def __init__(self, scope, receive, send): ...

    def __await__(self): ...


def bind_third(extra, environ, start_response): ...


@pytest.mark.parametrize(
    ("app", "interface"),
    [
        (wsgi_function, WSGI),
        (wsgi_with_more, WSGI),
        (wsgi_decorated, WSGI),
        (WSGIInstance(), WSGI),
        (WSGIInstance().method, WSGI),
        (WSGIClass, WSGI),
        (lambda environ, start_response: [], WSGI),
        (functools.partial(bind_third, 1), WSGI),
        (functools.partial(wsgi_with_more, exc_info=1), WSGI),
        (asgi_function, ASGI),
        (asgi_plain, ASGI),
        (asgi_decorated, ASGI),
        (ASGIInstance(), ASGI),
        (ASGIInstance().method, ASGI),
        (ASGI3Class, ASGI),
        (functools.partial(asgi_function), ASGI),
        (functools.partial(functools.partial(ASGIInstance())), ASGI),
        (lambda scope, receive, send: None, ASGI),
        (asgi2_function, ASGI2),
        (ASGI2Class, ASGI2),
        (anything, ""),
        (lambda: None, ""),
        (print, ""),
        (dict, ""),
    ],
)
def test_which_interface_it_is(app, interface):
    assert interface_of(app) == interface


def test_frameworks():
    flask = pytest.importorskip("flask")
    starlette = pytest.importorskip("starlette.applications")
    assert interface_of(flask.Flask("x")) == WSGI
    assert interface_of(flask.Flask("x").wsgi_app) == WSGI
    assert interface_of(starlette.Starlette()) == ASGI


def test_django():
    pytest.importorskip("django")
    from django.core.handlers.asgi import ASGIHandler
    from django.core.handlers.wsgi import WSGIHandler

    assert interface_of(object.__new__(WSGIHandler)) == WSGI
    assert interface_of(object.__new__(ASGIHandler)) == ASGI


def test_the_double_callable_of_asgi_2_becomes_a_single_one(module):
    module(
        il_double="""
calls = []
class app:
    def __init__(self, scope): self.scope = scope
    async def __call__(self, receive, send): calls.append((self.scope, receive, send))
"""
    )
    loaded = load("il_double:app")
    assert loaded.interface == ASGI
    with pytest.raises(StopIteration):
        loaded.app(1, 2, 3).send(None)
    assert sys.modules["il_double"].calls == [(1, 2, 3)]

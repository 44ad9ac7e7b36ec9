"""From the words on a command line to an application: import it, call its factory, and find out what it speaks.

``module:attribute``, where the attribute may be dotted, or a call with literal arguments as in
``module:create_app("test")``; a module alone stands for its ``app`` or ``application``.
"""

import ast
import difflib
import functools
import importlib
import inspect
import os
import sys
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

from interlock.server.errors import StartError

__all__ = ["ASGI", "WSGI", "Loaded", "interface_of", "load"]

WSGI = "WSGI"
ASGI = "ASGI"
#: ASGI 2: called with the scope, gives what is called with receive and send.
ASGI2 = "ASGI2"

_DEFAULT_NAMES = ("app", "application")


class Loaded:
    """An application, and which interface to call it by: :data:`WSGI` or :data:`ASGI` (version 3)."""

    __slots__ = ("app", "interface", "name")

    def __init__(self, name: str, app: Callable[..., Any], interface: str) -> None:
        self.name = name
        self.app = app
        self.interface = interface


def load(spec: str, *, app_dir: str = "", factory: bool = False, interface: str = "auto") -> Loaded:
    """The application that ``spec`` names.

    ``app_dir`` goes to the head of ``sys.path``; "" is the current directory.  ``factory``: what is named is called,
    without arguments, and gives the application.  ``interface``: "auto", "wsgi" or "asgi".

    Raises :class:`StartError`; with the application's traceback where its code raised.
    """
    directory = os.path.abspath(app_dir)
    if not os.path.isdir(directory):
        raise StartError(f"--app-dir {app_dir} is no directory")
    if sys.path[:1] != [directory]:
        sys.path.insert(0, directory)
    module_name, _, expression = spec.partition(":")
    path, arguments = _parse(spec, module_name, expression)
    module = _import(module_name, directory)
    name, found = _find(module, module_name, path)
    if arguments is not None or factory:
        found = _make(found, f"{module_name}:{name}", arguments or ([], {}))
    if not callable(found):
        raise StartError(f"{spec} is no application: a {type(found).__name__} cannot be called")
    kind = {"wsgi": WSGI, "auto": ""}.get(interface) or interface_of(found, forced=interface == "asgi")
    if not kind:
        raise StartError(
            f"cannot tell whether {spec} is a WSGI or an ASGI application{_factory_hint(found)}: say --interface"
        )
    shown = spec if expression else f"{module_name}:{name}"
    return Loaded(shown, _asgi3(found), ASGI) if kind == ASGI2 else Loaded(shown, found, kind)


Arguments = tuple[list[Any], dict[str, Any]]


def _parse(spec: str, module: str, expression: str) -> tuple[str, Arguments | None]:
    """The dotted path in ``expression``, and the arguments if it is a call."""
    if not all(part.isidentifier() for part in module.split(".")):
        stem = module.removesuffix(".py").strip("./").replace("/", ".")
        hint = f": did you mean {stem}:{expression or 'app'}?" if module.endswith(".py") else ""
        raise StartError(f"{spec!r} does not name an application as module:attribute{hint}")
    if not expression:
        if ":" in spec:
            raise StartError(f"{spec!r} names no attribute behind the colon: write {module}:app")
        return "", None
    if all(part.isidentifier() for part in expression.split(".")):
        return expression, None
    try:
        call = ast.parse(expression, mode="eval").body
        if not isinstance(call, ast.Call) or any(word.arg is None for word in call.keywords):
            raise ValueError
        arguments = [ast.literal_eval(value) for value in call.args]
        keywords = {word.arg: ast.literal_eval(word.value) for word in call.keywords if word.arg}
        path = ast.unparse(call.func)
        if not all(part.isidentifier() for part in path.split(".")):
            raise ValueError
    except (SyntaxError, ValueError):
        raise StartError(
            f"{expression!r} is neither an attribute nor a call with literal arguments, such as create_app('test')"
        ) from None
    return path, (arguments, keywords)


def _import(name: str, directory: str) -> object:
    if name.endswith(".py") and os.path.isfile(os.path.join(directory, name)):
        raise StartError(f"{name} is a file: name the module, {name.removesuffix('.py')}")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            near = difflib.get_close_matches(name, _modules(directory), 1)
            hint = f": did you mean {near[0]}?" if near else ""
            raise StartError(f"cannot find a module {error.name!r} in {directory} or on sys.path{hint}") from None
        raise _raised(error, f"importing {name} failed") from None
    except (Exception, SystemExit) as error:
        raise _raised(error, f"importing {name} failed") from None


def _modules(directory: str) -> list[str]:
    """The modules and packages that lie in ``directory``."""
    names = []
    for entry in os.scandir(directory):
        stem = entry.name.removesuffix(".py")
        if stem.isidentifier() and (stem != entry.name or os.path.isfile(os.path.join(entry.path, "__init__.py"))):
            names.append(stem)
    return names


def _find(module: object, module_name: str, path: str) -> tuple[str, Any]:
    """The attribute and its name.  Without a path it is the module's ``app`` or ``application``."""
    if not path:
        for name in _DEFAULT_NAMES:
            if hasattr(module, name):
                return name, getattr(module, name)
        raise StartError(
            f"module {module_name} has neither app nor application: name the attribute, {module_name}:name"
        )
    found: Any = module
    holder = f"module {module_name}"
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            public = [candidate for candidate in dir(found) if not candidate.startswith("_")]
            near = difflib.get_close_matches(name, public, 1)
            hint = f": did you mean {near[0]}?" if near else ""
            raise StartError(f"{holder} has no attribute {name!r}{hint}") from None
        holder = f"{holder.removeprefix('module ')}.{name}"
    return path, found


def _make(factory: Any, name: str, arguments: Arguments) -> Any:
    if not callable(factory):
        raise StartError(f"{name} is no factory: a {type(factory).__name__} cannot be called")
    positional, keywords = arguments
    try:
        inspect.signature(factory).bind(*positional, **keywords)
    except TypeError as error:
        raise StartError(f"the factory {name} does not take these arguments: {error}") from None
    except ValueError:
        pass  # it has no signature to be read
    try:
        made = factory(*positional, **keywords)
    except (Exception, SystemExit) as error:
        raise _raised(error, f"the factory {name} failed") from None
    if inspect.iscoroutine(made):
        made.close()
        raise StartError(f"{name} is no factory but a coroutine function: a factory returns the application itself")
    if made is None:
        raise StartError(f"the factory {name} returned None")
    return made


def _raised(error: BaseException, what: str) -> StartError:
    """A StartError with the traceback of ``error``, without the frames of this module and of the import system."""
    shown = traceback.TracebackException.from_exception(error)
    part: traceback.TracebackException | None = shown
    while part is not None:
        part.stack = traceback.StackSummary.from_list(
            [
                frame
                for frame in part.stack
                if not frame.filename.startswith("<frozen importlib")
                and frame.filename not in (__file__, importlib.__file__)
            ]
        )
        part = part.__cause__ or part.__context__
    text = str(error).splitlines()
    return StartError(f"{what}: {type(error).__name__}{f': {text[0]}' if text else ''}", "".join(shown.format()))


def interface_of(app: Callable[..., Any], *, forced: bool = False) -> str:
    """Which interface ``app`` speaks: :data:`WSGI`, :data:`ASGI`, :data:`ASGI2`, or "" where nobody can tell.

    A coroutine function is ASGI.  Otherwise what counts is how many arguments it takes: (environ, start_response),
    (scope, receive, send), or (scope) for the double callable of ASGI 2.  ``forced``: it is one of the two ASGIs.
    """
    called = _called(app)
    if inspect.iscoroutinefunction(called):
        return ASGI
    if inspect.isclass(app) and hasattr(app, "__await__"):
        return ASGI
    fewest, most = _positional(app)
    if fewest == 1 and most == 1:
        return ASGI2
    if forced:
        return ASGI
    if fewest == 3 and most >= 3:
        return ASGI
    if fewest == 2 or (fewest < 2 and most == 2):
        return WSGI
    return ""


def _called(app: Any) -> Any:
    """The function that runs when ``app`` is called: under partial objects, in the class of an instance."""
    while isinstance(app, functools.partial):
        app = app.func
    if inspect.isroutine(app) or inspect.isclass(app):
        return app
    # Python looks for __call__ in the type, but a proxy may have it only in the instance.
    return getattr(app, "__call__", None)  # noqa: B004


def _positional(app: Callable[..., Any]) -> tuple[int, float]:
    """The fewest and the most positional arguments that ``app`` takes; (0, infinite) where it does not say."""
    fewest, most = 0, 0.0
    try:
        parameters = inspect.signature(app).parameters.values()
    except (TypeError, ValueError):
        return 0, float("inf")
    for parameter in parameters:
        if parameter.kind is parameter.VAR_POSITIONAL:
            most = float("inf")
        elif parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            most += 1
            fewest += parameter.default is parameter.empty
    return fewest, most


def _factory_hint(app: Callable[..., Any]) -> str:
    return " (it takes no arguments: is it a factory? then say --factory)" if _positional(app) == (0, 0) else ""


def _asgi3(app: Callable[..., Any]) -> Callable[..., Any]:
    """The double callable of ASGI 2 as an application of ASGI 3."""

    async def single(scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]) -> None:
        await app(scope)(receive, send)

    return single

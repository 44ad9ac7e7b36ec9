"""What the options of the command line take."""

from dataclasses import fields

import click
import pytest
from click.testing import CliRunner

from interlock.cli.options import (
    deflate_from,
    limits_from,
    timeouts_from,
    with_deflate,
    with_limits,
    with_timeouts,
)
from interlock.http.limits import Limits, Timeouts
from interlock.ws import PerMessageDeflate


@click.command(context_settings={"auto_envvar_prefix": "INTERLOCK"})
@with_limits
@with_timeouts
@click.pass_context
def command(context, **options):
    context.obj.append((limits_from(options), timeouts_from(options)))
    assert not options


def invoke(*arguments, **environment):
    """The limits and timeouts that a command line gives, or what it complains of."""
    given = []
    result = CliRunner().invoke(command, arguments, obj=given, env=environment)
    return given[0] if given else result.output


def test_without_options_the_defaults_are_those_of_the_library():
    assert invoke() == (Limits(), Timeouts())


@pytest.mark.parametrize("limit", [limit.name for limit in fields(Limits)])
def test_every_limit_is_an_option_and_a_variable(limit):
    expected = (Limits(**{limit: 7}), Timeouts())
    assert invoke(f"--limit-{limit.replace('_', '-')}", "7") == expected
    assert invoke(**{f"INTERLOCK_LIMIT_{limit.upper()}": "7"}) == expected


@pytest.mark.parametrize("timeout", [timeout.name for timeout in fields(Timeouts)])
def test_every_timeout_is_an_option_and_a_variable(timeout):
    expected = (Limits(), Timeouts(**{timeout: 7.5}))
    assert invoke(f"--timeout-{timeout.replace('_', '-')}", "7.5") == expected
    assert invoke(**{f"INTERLOCK_TIMEOUT_{timeout.upper()}": "7.5"}) == expected


def test_every_option_has_help_and_shows_its_default():
    assert len(command.params) == len(fields(Limits)) + len(fields(Timeouts))
    shown = " ".join(CliRunner().invoke(command, ["--help"]).output.split())
    for option in command.params:
        assert len(option.help) > 15
        assert f"{option.opts[0]} {option.metavar}" in shown
        assert f"[default: {option.default}]" in shown


@click.command(context_settings={"auto_envvar_prefix": "INTERLOCK"})
@with_deflate
@click.pass_context
def compressing(context, **options):
    context.obj.append(deflate_from(options))
    assert not options


def compression(*arguments, **environment):
    """What a command line asks for of permessage-deflate, or what it complains of."""
    given = []
    result = CliRunner().invoke(compressing, arguments, obj=given, env=environment)
    return given[0] if given else result.output


def test_all_that_can_be_asked_for_of_compression_is_an_option_and_a_variable():
    # What the library has where nothing is asked for, in numbers.
    defaults = {"server_max_window_bits": 12, "client_max_window_bits": 12}
    assert compression() == PerMessageDeflate(**defaults)
    for asked in fields(PerMessageDeflate):
        flag = asked.default is False
        option = f"--deflate-{asked.name.replace('_', '-')}"
        expected = PerMessageDeflate(**{**defaults, asked.name: True if flag else 9})
        assert compression(option, *([] if flag else ["9"])) == expected
        assert compression(**{f"INTERLOCK_DEFLATE_{asked.name.upper()}": "1" if flag else "9"}) == expected
    shown = " ".join(CliRunner().invoke(compressing, ["--help"]).output.split())
    assert len(compressing.params) == len(fields(PerMessageDeflate))
    assert all(" ".join(option.help.split()) in shown and len(option.help) > 15 for option in compressing.params)


@pytest.mark.parametrize(
    ("option", "number"), [("server-max-window-bits", "7"), ("client-max-window-bits", "16"), ("level", "10")]
)
def test_compression_that_there_is_not(option, number):
    assert f"{number} is not in the range" in compression(f"--deflate-{option}", number)


@pytest.mark.parametrize(
    ("text", "octets"),
    [("0", 0), ("1", 1), ("64k", 65536), ("64K", 65536), ("16M", 2**24), ("2g", 2**31), ("none", None)],
)
def test_sizes(text, octets):
    assert invoke("--limit-body", text)[0].body == octets


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--limit-body", "5q"), "'5q' is not a number of octets, which may end in k, M or G, nor none."),
        (("--limit-body", "-1"), "'-1' is not a number"),
        (("--limit-body", "1.5k"), "'1.5k' is not a number"),
        (("--limit-body", "٣"), "'٣' is not a number"),
        (("--limit-body", "k"), "'k' is not a number"),
        (("--limit-body", "9" * 30), "is not a number"),
        (("--limit-head", "none"), "'none' is not a number of octets, which may end in k, M or G."),
        (("--limit-head", "0"), "0 is less than 1."),
        (("--limit-fields", "1k"), "'1k' is not a whole number."),
        (("--limit-window", "2G"), "2G is more than 2147483647, the most that HTTP/2 can tell a client."),
        (("--limit-window-ceiling", "2G"), "2G is more than 2147483647"),
        (("--limit-head", "4G"), "4G is more than 4294967295"),
        (("--limit-header-table", "4G"), "4G is more than 4294967295"),
        (("--limit-streams", "4294967296"), "4294967296 is more than 4294967295"),
        (("--limit-connections", "0"), "0 is less than 1 (none: no limit)."),
        (("--timeout-head", "soon"), "'soon' is not a number."),
        (("--timeout-head", "-1"), "-1 is not a finite number from 0 on."),
        (("--timeout-head", "nan"), "nan is not a finite number from 0 on."),
        (("--timeout-head", "inf"), "inf is not a finite number from 0 on."),
        (("--timeout-haed", "1"), "--timeout-head"),
        (("--limit-haed", "1"), "--limit-head"),
    ],
)
def test_complaints_name_the_option_and_say_what_is_wrong(arguments, complaint):
    output = invoke(*arguments)
    assert complaint in output
    assert arguments[0] in output
    assert "Traceback" not in output

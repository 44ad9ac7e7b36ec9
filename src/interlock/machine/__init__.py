"""Coupled state machines as data: declared in tables, compiled into one, proved, and drawn."""

from interlock.machine.check import Report, check
from interlock.machine.draw import dot, mermaid
from interlock.machine.errors import LocalProtocolError, ProtocolError, RemoteProtocolError
from interlock.machine.model import Condition, Coupling, Duty, Machine, To
from interlock.machine.properties import Absorbing, Arises, CanReach, Failure, Legal, Never, Property, Refused, where
from interlock.machine.system import System

__all__ = [
    "Absorbing",
    "Arises",
    "CanReach",
    "Condition",
    "Coupling",
    "Duty",
    "Failure",
    "Legal",
    "LocalProtocolError",
    "Machine",
    "Never",
    "Property",
    "ProtocolError",
    "Refused",
    "RemoteProtocolError",
    "Report",
    "System",
    "To",
    "check",
    "dot",
    "mermaid",
    "where",
]

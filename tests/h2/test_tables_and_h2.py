"""Figure 2 of RFC 9113 as our tables have it, and as the h2 library has it: the same, but for what is stated here.

h2 sees frames and not messages: it has one input for every field block but interim responses.  So the two are compared
by frame: whether ours have an event that is sent as such a frame, and where it leads.
"""

from collections.abc import Callable

import pytest
from h2.exceptions import ProtocolError
from h2.stream import H2StreamStateMachine, StreamClosedBy, StreamInputs

from interlock.h2.tables import STREAM

#: The frames that each event is sent as; none: it is not sent, or h2 has no input for it.
FRAMES = {
    "Request": "HEADERS",
    "Request.end": "HEADERS+END_STREAM",
    "Request.connect": "HEADERS",
    "InformationalResponse": "INFORMATIONAL_HEADERS",
    "Response": "HEADERS",
    "Response.end": "HEADERS+END_STREAM",
    "Response.accept": "HEADERS",
    "Data": "DATA",
    "Data.end": "DATA+END_STREAM",
    "Trailers": "HEADERS+END_STREAM",
    "Reset": "RST_STREAM",
    "Promise": "PUSH_PROMISE",
    "WindowUpdate": "WINDOW_UPDATE",
}
VERBS = {"local": "SEND", "remote": "RECV"}

#: h2 has no state for a message that is complete and waits for windows.
JOINTS = [joint for joint in range(len(STREAM.joints)) if STREAM.state(joint, "local") not in {"ENDING", "TRAILING"}]


def feed(machine: H2StreamStateMachine, end: str, frame: str) -> bool:
    """Whether h2 takes the frame, or drops it as what may come late on a stream that it has reset."""
    kind, _, flag = frame.partition("+")
    for name in (kind, flag) if flag else (kind,):
        reset_here = machine.stream_closed_by is StreamClosedBy.SEND_RST_STREAM
        try:
            machine.process_input(StreamInputs[f"{VERBS[end]}_{name}"])
        except ProtocolError:
            return reset_here and end == "remote"
    return True


def in_h2(joint: int) -> H2StreamStateMachine:
    """h2's machine after the events that lead to the joint state."""
    machine = H2StreamStateMachine(1)
    for event in STREAM.trace(joint):
        end, _, what = event.partition(".")
        if what in FRAMES:
            assert feed(machine, end, FRAMES[what])
    return machine


def in_ours(joint: int, end: str, frame: str) -> set[str]:
    """Where the events lead that are sent as this frame, by figure 2."""
    states = set()
    for what, sent_as in FRAMES.items():
        target = STREAM.table[joint * STREAM.n_events + STREAM.event_index[f"{end}.{what}"]]
        if sent_as == frame and target >= 0:
            states.add(
                "CLOSED" if STREAM.state(target, "stream").startswith("RESET") else STREAM.state(target, "stream")
            )
    return states


def message(joint: int, end: str) -> str:
    return STREAM.state(joint, end)


def figure_2(joint: int) -> str:
    return STREAM.state(joint, "stream")


#: Where the two differ, whether ours take the frame there, and why that is right.
DIFFERENCES: dict[str, tuple[Callable[[int, str, str], bool], bool]] = {
    "DATA before the head of its message (RFC 9113 §8.1); h2 looks for it in what is received only": (
        lambda joint, end, frame: (
            frame.startswith("DATA")
            and (end, message(joint, end)) == ("local", "HEAD")
            and figure_2(joint) != "RESERVED_LOCAL"
        ),
        False,
    ),
    "a second head that ends nothing, where only trailers may come (RFC 9113 §8.1); h2 looks for it elsewhere": (
        lambda joint, end, frame: frame == "HEADERS" and message(joint, end) in {"BODY", "TUNNEL"},
        False,
    ),
    "trailers in a tunnel, or of a CONNECT (RFC 9113 §8.5)": (
        lambda joint, end, frame: (
            frame == "HEADERS+END_STREAM"
            and message(joint, end) in {"BODY", "TUNNEL"}
            and STREAM.state(joint, "connect") != "NONE"
        ),
        False,
    ),
    "a head in a tunnel, though we have reset it (RFC 9113 §8.5)": (
        lambda joint, end, frame: (
            frame in {"HEADERS", "HEADERS+END_STREAM"}
            and (end, message(joint, end)) == ("remote", "BROKEN")
            and (figure_2(joint), STREAM.state(joint, "connect")) == ("RESET_LOCAL", "ACCEPTED")
        ),
        False,
    ),
    "an interim response to what was promised, which HEADERS may be (RFC 9113 §5.1, §8.1)": (
        lambda joint, end, frame: frame == "INFORMATIONAL_HEADERS" and figure_2(joint) == f"RESERVED_{end.upper()}",
        True,
    ),
    "WINDOW_UPDATE from who has promised and sent nothing (RFC 9113 §5.1)": (
        lambda joint, end, frame: frame == "WINDOW_UPDATE" and figure_2(joint) == f"RESERVED_{end.upper()}",
        False,
    ),
    "WINDOW_UPDATE from who has reset the stream (RFC 9113 §5.1)": (
        lambda joint, end, frame: frame == "WINDOW_UPDATE" and end == "remote" and figure_2(joint) == "RESET_REMOTE",
        False,
    ),
}


@pytest.mark.parametrize("end", VERBS)
@pytest.mark.parametrize("frame", dict.fromkeys(FRAMES.values()))
def test_agrees_with_h2_in_every_joint_state(frame: str, end: str) -> None:
    for joint in JOINTS:
        if frame == "PUSH_PROMISE" and figure_2(joint) != "IDLE":
            continue  # h2 means the stream beside which is pushed
        machine = in_h2(joint)
        theirs = {machine.state.name} if feed(machine, end, frame) else set()
        ours = in_ours(joint, end, frame)
        stated = [taken for differs, taken in DIFFERENCES.values() if differs(joint, end, frame)]
        if stated:
            assert [bool(ours)] == stated, STREAM.describe(joint)
            assert bool(theirs) != bool(ours), STREAM.describe(joint)
        else:
            assert ours == theirs, STREAM.describe(joint)


@pytest.mark.parametrize("difference", DIFFERENCES)
def test_every_difference_is_there(difference: str) -> None:
    differs, _ = DIFFERENCES[difference]
    assert any(differs(joint, end, frame) for joint in JOINTS for end in VERBS for frame in set(FRAMES.values()))

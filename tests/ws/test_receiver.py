"""What is received: frames that are not masked, whatever the form of their length."""

import pytest
from tests.ws import raw
from tests.ws.engine import each_role, opened, received

from interlock.ws import SERVER, Message


@each_role
@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 131072])
def test_a_message_of_any_size_in_one_read(role: object, size: int) -> None:
    """Those of a server have a head of 4 octets or of 10 where that of a client has its masking key in it."""
    payload = bytes(range(256)) * (size // 256) + bytes(size % 256)
    outcome = received(opened(role), [raw.binary(payload).octets(role is SERVER)])
    assert outcome.events == [Message(payload)]

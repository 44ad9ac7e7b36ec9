"""What the engine tells its driver beside events and actions."""

from interlock.ws import CLIENT, NEED_DATA, SERVER, Close, Connection, Message


def both() -> tuple[Connection, Connection]:
    client, server = Connection(CLIENT), Connection(SERVER)
    client.start()
    server.start()
    return client, server


def test_readable_until_the_other_end_has_closed() -> None:
    client, server = both()
    assert server.readable
    client.close()
    octets = client.data_to_send()
    assert client.readable
    server.receive_data(octets)
    server.next_event()
    assert not server.readable
    client.receive_data(server.data_to_send())
    client.next_event()
    assert not client.readable


def test_not_readable_after_our_failure() -> None:
    _, server = both()
    server.fail(1002)
    assert not server.readable


def test_not_readable_without_a_handshake_or_a_stream() -> None:
    assert not Connection(CLIENT).readable
    client, _ = both()
    client.connection_lost()
    assert not client.readable


def test_in_frame_while_a_payload_is_under_way() -> None:
    client, server = both()
    octets = client.send(Message(b"x" * 10))
    server.receive_data(octets[:-1])
    assert not server.in_frame
    assert server.next_event() is NEED_DATA
    assert server.in_frame
    server.receive_data(octets[-1:])
    assert server.next_event() == Message(b"x" * 10)
    assert not server.in_frame
    server.receive_data(client.send(Close())[:-1])
    server.next_event()
    assert not server.in_frame

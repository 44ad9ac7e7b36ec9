"""Drivers: octets between a protocol engine and a transport, and how long they may wait.  The first layer with a clock."""

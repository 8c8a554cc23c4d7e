"""Tickets open one stream, for a short time, to who got them."""

from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.access.tickets import Tickets
from service.domain import Action, Principal
from service.errors import CredentialExpired, CredentialInvalid
from tests.support.clock import Clock

TTL_S = 60.0
SECRET = b"a secret that all processes share"
ANN = Principal("ann", name="Ann", roles=("admin",), actions=frozenset(Action))


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def tickets(clock):
    return Tickets(SECRET, TTL_S, clock)


def is_refused(tickets, ticket, request_id="r1"):
    with pytest.raises(CredentialInvalid) as raised:
        tickets.read(ticket, request_id)
    assert raised.value.cause == "The ticket is not for this stream."
    return type(raised.value) is CredentialInvalid


def test_a_ticket_opens_its_stream_again_and_again(tickets, clock):
    ticket = tickets.issue(ANN, "r1")
    clock.forward(TTL_S - 1)

    assert tickets.read(ticket, "r1") == tickets.read(ticket, "r1")
    assert tickets.read(ticket, "r1").user == "ann"


def test_with_a_ticket_nothing_can_be_done_but_to_follow(tickets):
    bearer = tickets.read(tickets.issue(ANN, "r1"), "r1")

    assert bearer.actions == {Action.STREAMING_QUERY}
    assert bearer.roles == ()


def test_a_ticket_opens_no_other_stream(tickets):
    ticket = tickets.issue(ANN, "r1")

    assert is_refused(tickets, ticket, "r2")
    assert is_refused(tickets, ticket, "r1\n")
    assert is_refused(tickets, ticket, "")


def test_a_ticket_ends(tickets, clock):
    ticket = tickets.issue(ANN, "r1")
    clock.forward(TTL_S)

    with pytest.raises(CredentialExpired):
        tickets.read(ticket, "r1")


def test_who_follows_with_a_ticket_is_told_when_it_ends(tickets, clock):
    assert tickets.read(tickets.issue(ANN, "r1"), "r1").expires_at == clock.now + TTL_S


@pytest.mark.parametrize(("credential_s", "ticket_s"), [(10, 10), (1_000, TTL_S), (None, TTL_S)])
def test_a_ticket_ends_with_the_credential_that_it_was_issued_for(clock, credential_s, ticket_s):
    tickets = Tickets(SECRET, TTL_S, clock)
    expires_at = None if credential_s is None else clock.now + credential_s
    ticket = tickets.issue(Principal("ann", expires_at=expires_at), "r1")

    assert tickets.read(ticket, "r1").expires_at == clock.now + ticket_s
    clock.forward(ticket_s)
    with pytest.raises(CredentialExpired):
        tickets.read(ticket, "r1")


def test_processes_with_the_same_secret_take_each_others_tickets(tickets, clock):
    other = Tickets(SECRET, TTL_S, clock)

    assert other.read(tickets.issue(ANN, "r1"), "r1").user == "ann"


def test_processes_with_other_secrets_do_not(tickets, clock):
    assert is_refused(Tickets(SECRET + b"!", TTL_S, clock), tickets.issue(ANN, "r1"))


def test_without_a_secret_each_process_has_its_own(clock):
    one, other = Tickets(None, TTL_S, clock), Tickets(None, TTL_S, clock)
    ticket = one.issue(ANN, "r1")

    assert one.read(ticket, "r1").user == "ann"
    assert is_refused(other, ticket)


def test_a_ticket_can_stand_in_an_address_as_it_is(tickets):
    ticket = tickets.issue(Principal("Ünï <çode> & more??"), "r1")

    assert set(ticket) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")
    assert tickets.read(ticket, "r1").user == "Ünï <çode> & more??"


def test_nobody_can_change_whom_a_ticket_is_for_or_when_it_ends(tickets):
    _, _, signature = tickets.issue(ANN, "r1").partition(".")
    content = urlsafe_b64encode(b'["bob",9999999999.0]').decode().rstrip("=")

    assert is_refused(tickets, f"{content}.{signature}")
    assert is_refused(tickets, f"{content}.")
    assert is_refused(tickets, content)


@given(data=st.data())
def test_whoever_changes_anything_is_refused(data):
    tickets = Tickets(SECRET, TTL_S, Clock())
    ticket = tickets.issue(ANN, "r1")
    at = data.draw(st.integers(0, len(ticket) - 1))
    changed = ticket[:at] + data.draw(st.text(max_size=2)) + ticket[at + 1 :]

    if changed != ticket:
        assert is_refused(tickets, changed)


@given(ticket=st.text(st.characters()), request_id=st.text(st.characters()))
def test_junk_is_refused(ticket, request_id):
    assert is_refused(Tickets(SECRET, TTL_S, Clock()), ticket, request_id)


def test_what_is_longer_than_any_ticket_is_refused(tickets):
    assert is_refused(tickets, "A" * 1_000_000)


def test_every_stream_can_have_a_ticket_whatever_its_name(tickets):
    assert tickets.read(tickets.issue(ANN, "\ud800"), "\ud800").user == "ann"

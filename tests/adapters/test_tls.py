"""Encrypted connections: whom we trust, and who we say that we are."""

import ssl
import subprocess

import anyio
import pytest

from service.errors import LogUnavailable, UpstreamError
from service.settings.groups import UpstreamSettings
from service.storage.redis.connection import open_redis
from service.upstream.connection import Connection
from tests.support.peers import STREAM_HEAD, Peer, answering, served_by


def openssl(directory, *arguments):
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)


def signed(directory, name, *extensions):
    """Make a key and a certificate that the authority of the directory has signed."""
    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}"]
    openssl(directory, "req", "-x509", *new, "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "2",
            "-keyout", f"{name}.key", "-out", f"{name}.pem", *extensions)  # fmt: skip
    pem = (directory / f"{name}.pem").read_text() + (directory / f"{name}.key").read_text()
    (directory / f"{name}.pem").write_text(pem)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """Make an authority, with certificates for a server and for us."""
    directory = tmp_path_factory.mktemp("authority")
    openssl(directory, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-subj", "/CN=authority", "-days", "2",
            "-keyout", "ca.key", "-out", "ca.pem")  # fmt: skip
    signed(directory, "server", "-addext", "subjectAltName=DNS:localhost")
    signed(directory, "us")
    return directory


def server_side(authority, *, wants_certificate=False):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(authority / "server.pem")
    if wants_certificate:
        context.load_verify_locations(authority / "ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
    return context


async def answer(peer):
    await peer.request()
    await peer.send(answering(b'{"version": "0.7.3"}'))


async def asked(authority, *, wants_certificate=False, **settings):
    """Ask a server for its version."""
    context = server_side(authority, wants_certificate=wants_certificate)
    async with served_by(answer, context) as url:
        connection = Connection(UpstreamSettings(url=url, retries_limit=0, **settings))
        async with connection.running():
            return await connection.get("/v1/version")


async def refused(authority, **settings):
    with pytest.raises(UpstreamError) as failed:
        await asked(authority, **settings)
    return failed.value.code


async def test_a_server_that_nobody_vouches_for_is_not_trusted(authority):
    assert await refused(authority) == "upstream_unreachable"


async def test_an_authority_of_our_own_can_vouch(authority):
    assert await asked(authority, ca_file=authority / "ca.pem") == {"version": "0.7.3"}


async def test_checking_can_be_turned_off(authority):
    assert await asked(authority, verify_tls=False) == {"version": "0.7.3"}


async def test_a_server_may_want_to_know_who_we_are(authority):
    known = {"ca_file": authority / "ca.pem", "certificate_file": authority / "us.pem"}

    assert await asked(authority, wants_certificate=True, **known) == {"version": "0.7.3"}


async def test_a_server_that_is_left_need_not_agree(authority):
    left = anyio.Event()

    async def stay(peer):
        await peer.request()
        await peer.send(STREAM_HEAD)
        await peer.part(b"data: {}\n\n")
        await Peer(peer.wire.transport_stream).until_left()
        left.set()

    async with served_by(stay, server_side(authority)) as url:
        connection = Connection(UpstreamSettings(url=url, ca_file=authority / "ca.pem"))
        async with connection.running():
            async with connection.stream("/v1/responses", {}) as batches:
                await anext(batches)
            with anyio.fail_after(1):
                await left.wait()


async def test_a_server_may_refuse_who_says_nothing(authority):
    code = await refused(authority, wants_certificate=True, ca_file=authority / "ca.pem")

    assert code in ("upstream_reset", "upstream_unreachable")


async def asked_redis(authority, options):
    """Ask what speaks like a Redis, but is none."""

    async def pong(peer):
        data = b""
        while b"PING" not in data:
            data = await peer.wire.receive()
            await peer.send(b"+OK\r\n" * data.count(b"SETINFO"))
        await peer.send(b"+PONG\r\n")
        await peer.until_left()

    async with served_by(pong, server_side(authority)) as url:
        address = f"rediss://{url.removeprefix('https://')}?{options}"
        redis = open_redis(address, timeout_s=5, connections_limit=1)
        try:
            return await redis.ask("PING")
        finally:
            await redis.close()


async def test_a_redis_that_an_authority_of_our_own_vouches_for_is_trusted(authority):
    assert await asked_redis(authority, f"ssl_ca_certs={authority / 'ca.pem'}") == b"PONG"


async def test_a_redis_that_nobody_vouches_for_is_not_trusted(authority):
    with pytest.raises(LogUnavailable):
        await asked_redis(authority, "")

"""TLS by the server itself, over a real socket."""

import asyncio
import shutil
import subprocess
from pathlib import Path

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from app.client.client import running_server
from app.home import Home, ServerCard
from app.settings.settings import load_settings
from app.tls import Tls
from app.web.listening import claimed, listening
from app.web.server import in_the_open
from app.web.timed_connection import TimedConnection
from data.errors import InputError


def made(folder: Path, name: str) -> Tls:
    """A certificate that signs itself, for another name than the server is reached by."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl in PATH")
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    subject = ("-subj", "/CN=loop.test", "-addext", "subjectAltName=DNS:loop.test")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    command = (openssl, "req", "-x509", *curve, *subject, "-keyout", str(key), "-out", str(certificate))
    subprocess.run(command, check=True, capture_output=True)
    return Tls(certificate, key)


async def healthy(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"{}"})


async def test_the_command_line_trusts_the_certificate_of_its_home_and_no_other(tmp_path: Path):
    ours, theirs, home = made(tmp_path, "ours"), made(tmp_path, "theirs"), Home(tmp_path)
    with listening("127.0.0.1", 0, ours) as at:
        config = uvicorn.Config(
            healthy,
            http=TimedConnection,
            lifespan="off",
            log_level="critical",
            ssl_certfile=ours.certificate,
            ssl_keyfile=ours.key,
        )
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[*at.sockets]))
        assert at.url.startswith("https://127.0.0.1:")
        home.publish(ServerCard(at.url, "token", str(ours.certificate)))
        remote = await asyncio.to_thread(running_server, home)
        assert remote is not None
        assert await asyncio.to_thread(remote.get, "/session") == {}
        remote.close()
        for certificate in (str(theirs.certificate), None):
            home.publish(ServerCard(at.url, "token", certificate))
            assert await asyncio.to_thread(running_server, home) is None
        server.should_exit = True
        await serving


def test_a_key_of_another_certificate_is_refused_with_the_way_out(tmp_path: Path):
    with pytest.raises(InputError, match=r"ours\.crt and .*theirs\.key are no certificate with its key.*--tls-cert"):
        Tls(made(tmp_path, "ours").certificate, made(tmp_path, "theirs").key).check()


def test_files_are_looked_at_before_anything_is_claimed(tmp_path: Path):
    home = Home(tmp_path / "home")
    settings = load_settings(home.path, port=0, tls_cert=tmp_path / "no.crt")
    with pytest.raises(InputError, match=r"no\.crt cannot be read: No such file.*--tls-cert"), claimed(home, settings):
        pass
    assert not home.path.exists()


def test_a_key_without_a_certificate_is_named(tmp_path: Path):
    with pytest.raises(InputError, match="tls_key needs tls_cert"):
        load_settings(tmp_path, tls_key=tmp_path / "key.pem")


@pytest.mark.parametrize(
    ("host", "tls", "proxy", "warns"),
    [
        ("0.0.0.0", False, False, True),
        ("::", False, False, True),
        ("0.0.0.0", True, False, False),
        ("0.0.0.0", False, True, False),
        ("127.0.0.1", False, False, False),
        ("::1", False, False, False),
    ],
)
def test_who_serves_in_the_open_is_warned(
    monkeypatch: pytest.MonkeyPatch, host: str, tls: bool, proxy: bool, warns: bool
):
    monkeypatch.delenv("FORWARDED_ALLOW_IPS", raising=False)
    if proxy:
        monkeypatch.setenv("FORWARDED_ALLOW_IPS", "10.0.0.1")
    with listening(host, 0, Tls(Path("x.crt"), None) if tls else None) as at:
        said = in_the_open(at, host)
    assert (said is not None) == warns
    assert said is None or ("--tls-cert" in said and host in said)

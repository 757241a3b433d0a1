"""The way that requests take: the proxy that is asked, and the one that can read them."""

from __future__ import annotations

import pytest

from apo_engine.models.address import Address
from apo_engine.models.route import Route
from apo_engine.problems import InputError


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def route(url: str) -> Route:
    return Route.to(Address.parse(url))


def test_without_a_proxy_nobody_stands_between() -> None:
    assert route("https://models.example/v1") == Route("models.example", encrypted=True)
    assert route("http://models.example:8080/v1").proxy is None


@pytest.mark.parametrize(
    ("proxy", "asked", "reader"),
    [
        ("http://proxy.example:3128", "http://proxy.example:3128", "proxy.example:3128"),
        ("proxy.example:3128", "http://proxy.example:3128", "proxy.example:3128"),
        ("https://ada:secret@proxy.example", "https://ada:secret@proxy.example", "proxy.example"),
    ],
)
def test_a_proxy_reads_what_is_not_encrypted(
    monkeypatch: pytest.MonkeyPatch, proxy: str, asked: str, reader: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    plain, tunnel = route("http://models.example/v1"), route("https://models.example/v1")
    assert (plain.proxy, plain.reader) == (asked, reader)
    assert (tunnel.proxy, tunnel.reader) == (asked, "")
    assert "secret" not in repr(plain)
    assert route("http://127.0.0.1:8080/v1").proxy is None, "what stays on this machine asks no proxy"


@pytest.mark.parametrize(
    ("exceptions", "bypassed"),
    [
        ("*", True),
        ("other.example, *", True),
        ("corp.example", True),
        (".corp.example", True),
        ("*.corp.example", True),
        ("llm.corp.example", True),
        ("llm.corp.example:8443", True),
        ("llm.corp.example:1", False),
        ("rp.example", False),
        ("", False),
    ],
)
def test_exceptions_name_hosts_and_domains(monkeypatch: pytest.MonkeyPatch, exceptions: str, bypassed: bool) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", exceptions)
    assert (route("https://llm.corp.example:8443/v1").proxy is None) is bypassed


@pytest.mark.parametrize("proxy", ["http://[::", "ftp://proxy.example", "http://", "http://a b:1", "http://h:port"])
def test_a_proxy_that_is_none_is_an_error_that_names_its_variable(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(InputError) as caught:
        route("https://models.example/v1")
    problem = caught.value.problems[0]
    assert problem.code == "proxy-address"
    assert "HTTPS_PROXY" in problem.message
    assert route("http://models.example/v1").proxy is None

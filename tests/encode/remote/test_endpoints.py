"""The user's configuration: what it may say, and that nothing in an error is a key."""

import pytest

from sizewise.core.errors import InputError
from sizewise.encode.remote.endpoints import Endpoint, config_path, endpoint, is_loopback

SECRET = "sk-1234567890"


def test_an_endpoint_as_it_is_written(configure):
    configure(
        large={
            "key_env": "EXAMPLE_API_KEY", "max_tokens": 8191, "batch_texts": 256, "requests_per_minute": 500,
            "price_per_million_tokens": 0.13, "max_spend": 5.0, "timeout_s": 30, "since": "2026-11-01",
            "send_dimensions": False,
        },
        local={"url": "http://localhost:8080/v1", "price_per_million_tokens": 0},
    )  # fmt: skip
    large = endpoint("large")
    assert (large.host, large.dimensions, large.cut_bytes) == ("api.example.com", 8, 24_573)
    assert large.cost(2_000_000) == pytest.approx(0.26)
    assert (endpoint("local").host, endpoint("local").cost(9e9), endpoint("local").key()) == ("localhost:8080", 0, None)


def test_a_date_may_be_one_of_toml(configure):
    path = configure(large={})
    path.write_text(path.read_text() + "since = 2026-11-22\n")
    assert endpoint("large").since == "2026-11-22"


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"url": "http://api.example.com/v1"}, "url is http, which anybody between here and api.example.com can read"),
        ({"url": "http://127.0.0.1.example.com/v1"}, "url is http"),
        ({"url": "ftp://api.example.com"}, "url must be like https://api.example.com/v1"),
        ({"url": "https://"}, "url must be like https"),
        ({"url": "https://[::1/v1"}, "url must be like https"),
        ({"url": f"https://me:{SECRET}@api.example.com/v1"}, "url must have no name, password, query or fragment"),
        ({"url": f"https://api.example.com/v1?key={SECRET}"}, "url must have no name, password, query or fragment"),
        ({"api_key": SECRET}, "api_key does not belong here: put the key into an environment variable"),
        ({"key_env": SECRET}, "key_env is the name of an environment variable"),
        ({"dimensions": 0}, "dimensions must be a whole number above 0"),
        ({"dimensions": True}, "dimensions must be a whole number above 0"),
        ({"batch_texts": 1.5}, "batch_texts must be a whole number above 0"),
        ({"requests_per_minute": 0}, "requests_per_minute must be a number above zero"),
        ({"price_per_million_tokens": -1}, "price_per_million_tokens must be a number, zero or above zero"),
        ({"send_dimensions": 1}, "send_dimensions must be true or false"),
        ({"model": ""}, "model must be a text"),
        ({"max_spend": 5}, "max_spend needs price_per_million_tokens"),
        ({"dimension": 8}, "dimension is not known; did you mean dimensions?"),
        ({"since": "yesterday"}, "since must be a date, as in 2026-11-22"),
        ({"since": "2199-01-01"}, "since is 2199-01-01, which is yet to come"),
        ({"name": "other"}, "name is not known"),
    ],
)
def test_what_is_wrong_is_said_without_the_key(configure, own, said):
    path = configure(large=own)
    with pytest.raises(InputError) as error:
        endpoint("large")
    assert str(error.value).startswith(f"{path}: endpoints.large.{said}")
    assert SECRET not in str(error.value)


def test_what_must_be_there(configure):
    path = configure(large={})
    path.write_text('[endpoints.large]\nurl = "https://api.example.com/v1"\nmodel = "m"\n')
    with pytest.raises(InputError, match=r"endpoints.large.dimensions is missing; give it"):
        endpoint("large")


def test_an_endpoint_that_is_not_there(configure, tmp_path):
    with pytest.raises(InputError, match=rf"there is no {tmp_path}/endpoints.toml that says where it is"):
        endpoint("large")
    configure(small={}, middle={})
    with pytest.raises(InputError, match=r"no endpoint 'large' in .*; there are: small, middle"):
        endpoint("large")
    (tmp_path / "endpoints.toml").write_text("[large]\n")
    with pytest.raises(InputError, match="large is not known; endpoints are tables such as"):
        endpoint("large")
    (tmp_path / "endpoints.toml").write_text("[endpoints\n")
    with pytest.raises(InputError, match=r"endpoints.toml: .*; correct it"):
        endpoint("large")
    (tmp_path / "endpoints.toml").write_bytes(b"\xff")
    with pytest.raises(InputError, match="cannot be read"):
        endpoint("large")


@pytest.mark.parametrize("value", [None, "", "  ", "two words", "sk-ключ", "sk-1\n2"])
def test_a_key_that_is_none(monkeypatch, value):
    if value is None:
        monkeypatch.delenv("EXAMPLE_API_KEY", raising=False)
    else:
        monkeypatch.setenv("EXAMPLE_API_KEY", value)
    with pytest.raises(InputError, match="environment variable EXAMPLE_API_KEY") as error:
        Endpoint("large", "https://api.example.com/v1", "m", 8, key_env="EXAMPLE_API_KEY").key()
    assert not (value or "").strip() or value not in str(error.value)


def test_where_the_configuration_is(monkeypatch, tmp_path):
    monkeypatch.delenv("SIZEWISE_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert config_path() == tmp_path / "sizewise" / "endpoints.toml"
    monkeypatch.setenv("SIZEWISE_CONFIG", str(tmp_path / "mine.toml"))
    assert config_path() == tmp_path / "mine.toml"


def test_this_machine():
    assert all(map(is_loopback, ("localhost", "127.0.0.1", "127.8.9.1", "::1")))
    assert not any(map(is_loopback, ("10.0.0.1", "0.0.0.0", "localhost.example.com", "example.com")))

"""A remote encoder against a real server on this machine that fails in every way that real ones do."""

import os
import signal
import subprocess
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace

import httpx2
import numpy as np
import pytest

from sizewise.core.candidate import Model
from sizewise.core.errors import InputError, RunError, SizewiseError
from sizewise.core.progress import Silent
from sizewise.encode.encoder import Trust
from sizewise.encode.remote import again
from sizewise.encode.remote.allowance import Allowance
from sizewise.encode.remote.endpoints import BYTES_A_TOKEN
from sizewise.encode.remote.sending import Sending, sendable
from sizewise.encode.remote.wire import retry_after
from sizewise.encode.resolve import resolve
from sizewise.encode.stored import missing_texts, stored_vectors
from sizewise.store.store import Store

KEY = "sk-very-secret-0123456789"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(again, "FIRST_WAIT", 0.01)
    monkeypatch.setenv("EXAMPLE_API_KEY", KEY)


@pytest.fixture
def remote(server, configure):
    """`remote(batch_texts=4)`: an encoder of the server, allowed to send."""

    def made(trust=None, **own):
        configure(large={"url": server.url, "key_env": "EXAMPLE_API_KEY", **own})
        return resolve(Model("remote:large"), trust or Trust(remote=Allowance()))

    return made


def vectors(store, encoder, texts, prompt=""):
    encoder.attach(store)
    rows = stored_vectors(store, encoder, texts, "text", prompt, Silent())
    return rows.block(0, len(rows))


def wanted(server, texts, prompt=""):
    return np.stack([server.vector(prompt + text) for text in texts])


def sent(server):
    return [text for texts in server.asked for text in texts]


def test_vectors_come_in_the_order_of_the_texts_in_requests_within_the_limits(server, remote, store, sentences):
    encoder = remote(batch_texts=16, batch_tokens=200)
    np.testing.assert_array_equal(vectors(store, encoder, sentences, "q: "), wanted(server, sentences, "q: "))
    assert sorted(sent(server)) == sorted("q: " + text for text in sentences)
    assert max(map(len, server.asked)) <= 16
    assert all(sum(len(text) / BYTES_A_TOKEN for text in texts) <= 200 for texts in server.asked)
    assert any(len(texts) == 16 for texts in server.asked), "short texts fill a request"
    about = {name: server.bodies[0][name] for name in ("model", "encoding_format", "dimensions")}
    assert about == {"model": "m", "encoding_format": "base64", "dimensions": 8}
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"


def test_numbers_in_a_list_are_as_good(server, remote, store, sentences):
    server.form = "floats"
    encoder = remote(send_dimensions=False)
    np.testing.assert_array_equal(vectors(store, encoder, sentences[:20]), wanted(server, sentences[:20]))
    assert "dimensions" not in server.bodies[0]


def test_odd_texts_are_sent_as_endpoints_take_them(server, remote):
    texts = ["", "half \ud83d", "ключ " * 100, "long " * 100]
    found = remote(max_tokens=10).encode(texts, "text", "")
    assert found.shape == (4, 8)
    assert server.asked == [[" ", "half \ufffd", "ключ ключ ключ к", "long long long long long long "]]
    assert remote().encode([], "text", "").shape == (0, 8)


@pytest.mark.parametrize("text", ["", "a", "é" * 20, "日本語" * 10, "😀" * 9, "a\ud83db", "x" * 100])
@pytest.mark.parametrize("limit", [None, 7, 30])
def test_what_is_sent_is_utf8_and_within_the_limit(text, limit):
    found = sendable(text, limit).encode()
    assert 0 < len(found) <= (limit or 1000)
    assert (
        limit is None or len(found) > limit - 4 or len(found) <= len(text.encode("utf-8", "surrogatepass")) or not text
    )


def test_nothing_is_sent_without_permission(server, remote, store, sentences):
    encoder = remote(trust=Trust(), price_per_million_tokens=100.0)
    with pytest.raises(InputError, match=r"remote:large is at 127.0.0.1:\d+: allow sending with --allow-remote"):
        vectors(store, encoder, sentences)
    tokens = f"{sum(max(1, len(text) / 4) for text in sentences):,.0f}"
    with pytest.raises(
        InputError, match=rf"would send 200 texts \(about {tokens} tokens, .*\) to 127.0.0.1:\d+ .* allow it"
    ):
        encoder.encode(sentences, "text", "")
    assert server.asked == []


def test_a_model_elsewhere_has_its_own_precision(remote):
    remote()
    with pytest.raises(InputError, match="leave out what stands behind @"):
        resolve(Model("remote:large", "bfloat16"))


@pytest.mark.parametrize("fault", ["429", "429 after 0", "500", "503 after 0.05", "408", "late", "closed", "cut"])
def test_what_passes_is_sent_again(server, remote, store, sentences, fault):
    server.script = ["ok", fault, fault, "ok"]
    encoder = remote(batch_texts=4, timeout_s=0.2)
    np.testing.assert_array_equal(vectors(store, encoder, sentences[:12]), wanted(server, sentences[:12]))
    assert len(server.asked) == 5
    assert server.asked[1] == server.asked[2] == server.asked[3]
    answered = [text for texts in server.answered for text in texts]
    assert sorted(answered) == sorted(sentences[:12]), "nothing that was answered is asked for again"
    account = encoder.trust.remote.spent["large"]
    assert (account.requests, account.texts, account.tokens) == (3, 12, server.tokens(sentences[:12]))
    assert account.lost == (2 if fault in ("late", "closed", "cut") else 0), "these may have been paid for"


def test_the_endpoint_says_how_long_to_wait(server, remote):
    server.script = ["429 after 0.3"]
    remote().encode(["a"], "text", "")
    assert 0.3 <= server.at[1] - server.at[0] < 1.0


def test_the_wait_may_be_a_date():
    def after(written):
        return retry_after(httpx2.Headers({"retry-after": written}))

    assert 50 < after(format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)) <= 60
    assert after(format_datetime(datetime.now(UTC) - timedelta(seconds=60), usegmt=True)) == 0
    assert (after("2.5"), after("-1")) == (2.5, 0)
    assert [after(written) for written in ("", "soon", "inf", "nan")] == [None] * 4


def test_an_hour_is_too_long_to_wait(server, remote):
    server.script = ["429 after 3600"]
    with pytest.raises(RunError, match="asks to wait 3,600 s, so run again then"):
        remote().encode(["a"], "text", "")
    assert len(server.asked) == 1


def test_waits_grow_and_end(server, remote, monkeypatch):
    slept = []
    monkeypatch.setattr(again, "FIRST_WAIT", 1.0)
    monkeypatch.setattr(again, "time", SimpleNamespace(sleep=slept.append, monotonic=time.monotonic))
    server.script = ['503 {"error": "overloaded"}'] * again.ATTEMPTS
    with pytest.raises(RunError, match=r"no answer after 7 attempts \(the last: HTTP 503: overloaded\)"):
        remote().encode(["a"], "text", "")
    assert len(server.asked) == again.ATTEMPTS
    assert all(2**at / 2 <= wait <= 2**at for at, wait in enumerate(slept))
    assert len(slept) == again.ATTEMPTS - 1


def test_an_endpoint_that_is_not_there_was_not_paid(server, remote, monkeypatch):
    monkeypatch.setattr(again, "ATTEMPTS", 2)
    encoder = remote()
    server.close()
    with pytest.raises(RunError, match=r"no answer after 2 attempts \(the last: no connection"):
        encoder.encode(["a"], "text", "")
    assert encoder.trust.remote.spent["large"].lost == 0


@pytest.mark.parametrize(
    ("fault", "kind", "said"),
    [
        ('400 {"error": {"message": "bad input"}}', RunError, r"refuses the request \(HTTP 400: bad input\)"),
        ("401", InputError, r"refuses what EXAMPLE_API_KEY holds \(HTTP 401\)"),
        ("403", InputError, r"refuses what EXAMPLE_API_KEY holds \(HTTP 403\)"),
        ('404 {"detail": "no such model"}', InputError, r"or no model 'm' \(HTTP 404: no such model\)"),
        (
            '429 {"error": {"code": "insufficient_quota", "message": "pay"}}',
            RunError,
            r"account there is used up \(pay\)",
        ),
        ("wrong dimension", RunError, "vectors of 7 dimensions, and its configuration says 8"),
        ("nan", RunError, "numbers that are not finite"),
        ("short", RunError, "answered with 3 vectors for 4 texts"),
        ("same index", RunError, "the index of its vectors is not 0 to 3, each once"),
        ("not json", RunError, "its answer is not JSON"),
        ("huge", RunError, "its answer has more than"),
    ],
)
def test_what_does_not_pass_is_not_sent_again_and_nothing_before_it_is_lost(
    server, remote, store, sentences, fault, kind, said
):
    server.script = ["ok", fault]
    encoder = remote(batch_texts=4)
    with pytest.raises(kind, match=said):
        vectors(store, encoder, sentences[:12])
    assert len(server.asked) == 2
    assert len(missing_texts(store, encoder, sentences[:12], "text", "")) == 8
    np.testing.assert_array_equal(vectors(store, remote(batch_texts=4), sentences[:12]), wanted(server, sentences[:12]))
    assert not set(server.asked[0]) & {text for texts in server.asked[1:] for text in texts}


def test_answers_out_of_order_are_put_in_order(server, remote, store, sentences):
    server.script = ["shuffled"] * 9
    np.testing.assert_array_equal(vectors(store, remote(), sentences[:50]), wanted(server, sentences[:50]))


def test_the_key_does_not_follow_a_redirect(server, second_server, remote):
    server.script, server.redirect_to = ["redirect"], f"{second_server.url}/embeddings"
    with pytest.raises(InputError, match=r"sends on to 127.0.0.1:\d+ \(HTTP 307\), which is not followed"):
        remote().encode(["a"], "text", "")
    assert (len(server.asked), second_server.headers) == (1, [])


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500])
def test_a_key_that_comes_back_is_not_shown(server, remote, monkeypatch, status):
    monkeypatch.setattr(again, "ATTEMPTS", 1)
    server.script = [f'{status} {{"error": {{"message": "Incorrect API key provided: {KEY} {"x" * 1000}"}}}}']
    encoder = remote()
    with pytest.raises(SizewiseError) as error:
        encoder.encode(["a"], "text", "")
    shown = "".join(traceback.format_exception(error.value)) + repr(encoder.__dict__) + repr(encoder.endpoint)
    assert KEY not in shown
    assert len(str(error.value)) < 600


def test_nothing_in_the_store_is_a_key(server, remote, store, sentences):
    vectors(store, remote(), sentences[:5])
    files = [path for path in store.root.rglob("*") if path.is_file()]
    assert files
    assert not any(KEY.encode() in path.read_bytes() for path in files)


def test_a_missing_key_is_noticed_before_anything_is_sent(server, remote, monkeypatch):
    monkeypatch.delenv("EXAMPLE_API_KEY")
    with pytest.raises(InputError, match="read from the environment variable EXAMPLE_API_KEY, which is not set"):
        remote().encode(["a"], "text", "")
    assert server.asked == []


def test_requests_keep_the_pace(server, remote):
    encoder = remote(batch_texts=1, requests_per_minute=600)
    encoder.encode(["a", "b", "c", "d"], "text", "")
    gaps = np.diff(server.at)
    assert gaps.min() > 0.08
    assert gaps.max() < 0.5


def test_tokens_keep_the_pace(server, remote):
    encoder = remote(batch_texts=1, tokens_per_minute=6000)
    encoder.encode(["a" * 40] * 3, "text", "")
    assert np.diff(server.at).min() > 0.08


def test_what_the_endpoint_counts_is_what_is_spent(server, remote):
    encoder = remote(price_per_million_tokens=1000.0)
    texts = ["one two three", "four"]
    encoder.encode(texts, "text", "")
    account = encoder.trust.remote.spent["large"]
    assert (account.requests, account.texts, account.tokens, account.counted) == (1, 2, 8, True)
    assert account.cost == pytest.approx(8 * 1000 / 1e6)
    assert account.ratio == pytest.approx(8 / (13 / 4 + 1))


def test_without_a_count_tokens_are_estimated(server, remote):
    server.usage = False
    encoder = remote(price_per_million_tokens=1000.0)
    encoder.encode(["x" * 40], "text", "")
    account = encoder.trust.remote.spent["large"]
    assert (account.tokens, account.counted, account.cost) == (10, False, pytest.approx(0.01))


def test_spending_ends_before_the_limit_and_what_was_paid_for_is_kept(server, remote, store, sentences):
    texts = [f"{at:040}" for at in range(20)]  # 40 bytes: 10 tokens by estimate, 3 as the server counts
    encoder = remote(batch_texts=2, price_per_million_tokens=1e6, max_spend=31.0)
    with pytest.raises(RunError, match="30 is spent, and the next request would bring it above max_spend = 31"):
        vectors(store, encoder, texts)
    assert len(server.asked) == 5
    assert len(missing_texts(store, encoder, texts, "text", "")) == 10
    vectors(store, remote(batch_texts=2, price_per_million_tokens=1e6, max_spend=31.0), texts)
    assert sorted(sent(server)) == sorted(texts)


def test_lost_requests_count_as_paid(server, remote, monkeypatch):
    server.script = ["closed"] * 9
    encoder = remote(price_per_million_tokens=1e6, max_spend=25.0)
    with pytest.raises(RunError, match="20 is spent"):
        encoder.encode(["x" * 40], "text", "")
    assert len(server.asked) == 2


def test_vectors_are_of_a_date_and_used_again_until_the_user_asks_anew(server, remote, store, sentences, monkeypatch):
    texts = sentences[:8]
    encoder = remote()
    encoder._since = "2026-11-01"
    stored_vectors(store, encoder, texts, "text", "", Silent())
    later = remote()
    assert later.identity["since"] != "2026-11-01"
    later.attach(store)
    assert later.identity["since"] == "2026-11-01"
    vectors(store, later, sentences[:10])
    assert len(sent(server)) == 10, "eight, and then the two that are new"
    anew = remote(since="2026-11-02")
    vectors(store, anew, texts)
    assert anew.identity["since"] > "2026-11-02"
    assert len(sent(server)) == 18
    assert len(missing_texts(store, later, texts, "text", "")) == 0


@pytest.mark.parametrize("other", [{"model": "n"}, {"max_tokens": 9}, {"url": "http://localhost:1/v1"}])
def test_another_model_has_other_vectors(remote, store, sentences, other):
    encoder = remote()
    encoder._since = "2026-11-01"
    stored_vectors(store, encoder, sentences[:3], "text", "", Silent())
    changed = remote(**other)
    changed.attach(store)
    assert changed.identity["since"] != "2026-11-01"
    assert changed.key("") != encoder.key("")


def test_a_store_that_got_no_answer_has_no_date_yet(server, remote, store, sentences):
    encoder = remote()
    encoder._since = "2026-11-01"
    server.script = ["400"]
    with pytest.raises(RunError):
        stored_vectors(store, encoder, sentences, "text", "", Silent())
    later = remote()
    later.attach(store)
    assert later.identity["since"] != "2026-11-01"


def test_price_limits_and_keys_are_no_part_of_the_identity(remote, store):
    one, other = remote(price_per_million_tokens=1, batch_texts=3), remote(key_env="OTHER")
    assert one.key("") == other.key("")
    assert KEY not in str(one.identity)


STOPPED = """
import sys
from sizewise.core.candidate import Model
from sizewise.core.progress import Silent
from sizewise.encode.encoder import Trust
from sizewise.encode.remote.allowance import Allowance
from sizewise.encode.resolve import resolve
from sizewise.encode.stored import stored_vectors
from sizewise.store.store import Store

with Store(sys.argv[1]) as store:
    encoder = resolve(Model("remote:large"), Trust(remote=Allowance()))
    encoder.attach(store)
    stored_vectors(store, encoder, [f"text {at}" for at in range(60)], "text", "", Silent())
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_after_a_kill_only_unanswered_requests_are_sent_again(server, remote, tmp_path, how):
    encoder = remote(batch_texts=4)
    server.delay = 0.03
    running = subprocess.Popen(
        [sys.executable, "-c", STOPPED, str(tmp_path / "store")], env=dict(os.environ), stderr=subprocess.PIPE
    )
    until = time.monotonic() + 30
    while len(server.asked) < 6 and time.monotonic() < until:
        time.sleep(0.005)
    running.send_signal(how)
    running.communicate()
    arrived = len(server.asked)
    assert 6 <= arrived < 15, "it was stopped in the middle"
    server.delay = 0.0
    texts = [f"text {at}" for at in range(60)]
    with Store(tmp_path / "store") as store:
        np.testing.assert_array_equal(vectors(store, encoder, texts), wanted(server, texts))
    again_sent = [text for text in set(sent(server)) if sent(server).count(text) > 1]
    assert len(again_sent) <= 4, "one request of four texts was on its way"


def test_two_processes_buy_each_text_once(server, remote, tmp_path):
    remote(batch_texts=4)
    server.delay = 0.01
    command = [sys.executable, "-c", STOPPED, str(tmp_path / "store")]
    running = [subprocess.Popen(command, env=dict(os.environ)) for _ in range(2)]
    assert [one.wait(30) for one in running] == [0, 0]
    assert sorted(sent(server)) == sorted(f"text {at}" for at in range(60))


def test_a_proxy_that_cannot_be_used_is_said_without_its_password(configure, monkeypatch):
    configure(large={})
    monkeypatch.setenv("ALL_PROXY", "nonsense://me:password@127.0.0.1:1")
    with pytest.raises(InputError, match="the proxy that the environment names") as error:
        resolve(Model("remote:large"), Trust(remote=Allowance())).load()
    assert "me:password" not in "".join(traceback.format_exception(error.value))


CONTRACT = {
    "nothing": [],
    "empty": [""],
    "one letter": ["a"],
    "100,000 words": ["word " * 100_000],
    "lone surrogates": ["\ud83d", "\udc00x"],
    "emoji": ["😀👩‍👩‍👧‍👦🇨🇭"],
    "right to left": ["שלום עולם \u202e abc", "مرحبا"],
    "identical": ["the same"] * 7,
}


@pytest.mark.parametrize("texts", CONTRACT.values(), ids=CONTRACT)
def test_any_text(remote, texts):
    found = remote(max_tokens=512).encode(texts, "text", "")
    assert (found.shape, found.dtype) == ((len(texts), 8), np.float32)
    np.testing.assert_array_equal(found, remote(max_tokens=512).encode(texts, "text", ""))
    assert len(np.unique(found, axis=0)) == len(set(texts)) or texts == CONTRACT["lone surrogates"]


def test_ten_thousand_texts_in_any_order_and_from_two_threads(server, remote):
    texts = [f"text {at}" for at in range(10_000)]
    order = np.random.default_rng(0).permutation(len(texts))
    encoder = remote(batch_texts=500)
    with ThreadPoolExecutor(2) as pool:
        straight = pool.submit(encoder.encode, texts, "text", "")
        mixed = pool.submit(encoder.encode, [texts[at] for at in order], "text", "")
    np.testing.assert_array_equal(straight.result()[order], mixed.result())
    assert encoder.trust.remote.spent["large"].texts == 20_000


def test_what_would_be_sent_in_words(configure):
    from sizewise.encode.remote.endpoints import endpoint

    configure(large={"max_tokens": 10, "price_per_million_tokens": 0.13}, free={})
    words = str(Sending.of(endpoint("large"), ["x" * 100, "y" * 20], ""))
    assert words == (
        "2 texts (about 12 tokens, estimated at 4 bytes each; 1 of them cut off at 30 bytes) to api.example.com "
        "(remote:large), for less than 0.01 (at 0.13 a million tokens)"
    )
    assert str(Sending.of(endpoint("free"), ["yyyy"], "")).startswith("1 text (about 1 tokens")
    assert str(Sending.of(endpoint("free"), ["yyyy"], "")).endswith("which has no price in your configuration")

"""Who is let in, how much, and what becomes of those who hang up or come too late; what the log says and what not."""

import json
import signal
import socket
import threading
import time

import httpx2
import pytest

from sizewise.serve.keys import hashed, line_of

KEY, OTHER = "sw-test-key-0123456789", "sw-another-key-0123456789"
ASK = {"model": "small", "input": "the moon", "encoding_format": "float"}


@pytest.fixture(scope="module")
def bundle(tiny_model, write_bundle):
    return write_bundle(f"{tiny_model}@fp32/onnx")


@pytest.fixture
def keys(tmp_path):
    path = tmp_path / "keys"
    path.write_text(f"# who may\n{line_of(KEY)} laptop\n\n{line_of(OTHER)}\n")
    return path


def post(url, path="/v1/embeddings", key=None, timeout=30, **body):
    headers = {"authorization": f"Bearer {key}"} if key else {}
    return httpx2.post(url + path, json=ASK | body, headers=headers, timeout=timeout)


def test_keys(serving, bundle, keys):
    running = serving(f"small={bundle}", "--keys", keys)
    assert [post(running.url, key=key).status_code for key in (KEY, OTHER)] == [200, 200]
    for key, message in [
        (None, "didn't provide an API key"),
        ("sw-wrong", "Incorrect API key"),
        ("", "provide an API"),
    ]:
        refused = post(running.url, key=key)
        assert refused.status_code == 401
        assert message in refused.json()["error"]["message"]
        assert refused.headers["www-authenticate"] == "Bearer"
    for path in ("/v1/models", "/info", "/metrics", "/openapi.json"):
        assert httpx2.get(running.url + path).status_code == 401
        assert httpx2.get(running.url + path, headers={"authorization": f"bearer  {KEY}"}).status_code == 200
    for path in ("/livez", "/readyz", "/health", "/"):
        assert httpx2.get(running.url + path).status_code == 200
    assert [post(running.url, "/", key=key, inputs="the moon").status_code for key in (None, KEY)] == [401, 200]
    running.end()
    said = "".join(running.lines)
    for secret in (KEY, OTHER, "sw-wrong", hashed(KEY), "the moon"):
        assert secret not in said


def test_a_key_from_the_environment(serving, bundle):
    running = serving(f"small={bundle}", env={"SIZEWISE_API_KEY": KEY})
    assert (post(running.url, key=KEY).status_code, post(running.url).status_code) == (200, 401)


@pytest.mark.parametrize(
    ("arguments", "env", "message"),
    [
        (["--host", "0.0.0.0"], {}, "can be reached from other machines, and there are no keys"),
        (["--host", "::"], {}, "can be reached from other machines, and there are no keys"),
        ([], {"SIZEWISE_API_KEY": "short"}, "a key has 16 characters or more, all of them ASCII"),
        ([], {"SIZEWISE_API_KEY": ""}, "a key has 16 characters or more"),
        ([], {"SIZEWISE_API_KEY": "schlüssel-schlüssel-schlüssel"}, "all of them ASCII"),
        (["--keys", "/nowhere"], {}, "cannot be read"),
        (["--host", "203.0.113.1", "--allow-anonymous"], {}, "cannot listen on 203.0.113.1"),
    ],
)
def test_what_is_not_started(command, bundle, arguments, env, message):
    done = command("serve", f"small={bundle}", *arguments, env=env)
    assert done.returncode == 2
    assert message in done.stderr
    assert "short" not in done.stderr


def test_files_of_keys_that_are_none(command, bundle, tmp_path):
    path = tmp_path / "keys"
    for content, message in [
        ("", "holds no key"),
        (f"{line_of(KEY)}\n{KEY}\n", "line 2: this is no hash of a key"),
        ("sha256:00", "line 1"),
    ]:
        path.write_text(content)
        done = command("serve", f"small={bundle}", "--keys", path)
        assert done.returncode == 2
        assert message in done.stderr
        assert KEY not in done.stderr


def test_a_new_key(command):
    made, line = command("serve", "--new-key").stdout.split()
    assert line == line_of(made)
    assert len(made) > 40


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to serve: give the folder of a bundle"),
        (["/nowhere"], "/nowhere is no bundle"),
        (["a={bundle}", "a={bundle}"], "two bundles are called 'a'"),
        (["{bundle}", "--index", "b=x"], "no bundle is called 'b'"),
        (["{bundle}", "--port", "99999"], "--port"),
    ],
)
def test_wrong_commands(command, bundle, arguments, message):
    done = command("serve", *(word.format(bundle=bundle) for word in arguments))
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_port_that_is_taken(command, bundle):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = command("serve", f"small={bundle}", "--port", taken.getsockname()[1])
    assert done.returncode == 2
    assert "choose another --host or --port" in done.stderr


def test_names_that_lead_here_by_another_site(serving, bundle):
    """A page that a browser got elsewhere cannot ask a server on localhost under its own name."""
    running = serving(f"small={bundle}")
    good = ("localhost:1", "[::1]:80", "127.0.0.1", "LocalHost.", "localhost.:80")
    bad = ("evil.example", "localhost.evil.example", "localhost:evil", "127.0.0.1.evil.example:80")
    for host, status in [*((one, 200) for one in good), *((one, 403) for one in bad)]:
        assert httpx2.get(f"{running.url}/v1/models", headers={"host": host}).status_code == status


def test_bodies_are_bounded_before_they_are_read(serving, bundle):
    running = serving(f"small={bundle}", "--most-mb", "0.01")
    assert post(running.url, input="moon " * 3_000).status_code == 413
    host, port = running.url.removeprefix("http://").split(":")
    head = b"POST /v1/embeddings HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    for announced in (b"content-length: 999999999999\r\n\r\n", b"transfer-encoding: chunked\r\n\r\n"):
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(head + announced)
            if b"chunked" in announced:
                for _ in range(10):
                    connection.sendall(b"400\r\n" + b" " * 1024 + b"\r\n")
            assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")
    assert post(running.url).status_code == 200


def test_limits_of_one_request(serving, bundle):
    running = serving(f"small={bundle}", "--most-texts", "3")
    assert post(running.url, input=["a"] * 3).status_code == 200
    refused = post(running.url, input=["a"] * 4)
    assert refused.status_code == 422
    assert "a request may have 3" in refused.json()["error"]["message"]


@pytest.mark.parametrize("item", ["{}", "[[]]", "1.5", "null"])
def test_a_million_wrong_items_are_told_at_once(serving, bundle, item):
    running = serving(f"small={bundle}")
    body = f'{{"model": "small", "input": [{",".join([item] * 200_000)}]}}'
    began = time.monotonic()
    answer = httpx2.post(
        f"{running.url}/v1/embeddings", content=body, headers={"content-type": "application/json"}, timeout=30
    )
    assert answer.status_code == 400
    assert len(answer.content) < 1_000
    assert time.monotonic() - began < 3


def test_texts_beyond_reason(serving, bundle):
    running = serving(f"small={bundle}")
    assert post(running.url, input=["a", "moon" * 300_000]).status_code == 413
    assert post(running.url, "/v1/rerank", query="a" * 2_000_000, documents=["a"]).status_code == 400


def test_ids_of_requests(serving, bundle):
    running = serving(f"small={bundle}")
    url = f"{running.url}/v1/embeddings"
    assert httpx2.post(url, json=ASK, headers={"x-request-id": "abc-1"}).headers["x-request-id"] == "abc-1"
    made = httpx2.post(url, json=ASK, headers={"x-request-id": "a b\tc"}).headers["x-request-id"]
    assert made.isalnum()
    assert len(made) == 24
    line = running.event("request", id="abc-1")
    assert (line["status"], line["path"], line["model"], line["texts"]) == (200, "/v1/embeddings", "small", 1)
    httpx2.get(f"{running.url}/secret-of-a-user")
    time.sleep(0.1)
    assert "secret-of-a-user" not in "".join(running.lines)


def test_the_description_of_routes(serving, bundle):
    running = serving(f"small={bundle}")
    paths = httpx2.get(f"{running.url}/openapi.json").json()["paths"]
    assert {"/v1/embeddings", "/v1/rerank", "/rerank", "/embed", "/info", "/health", "/metrics", "/v1/models"} <= set(
        paths
    )
    assert paths["/v1/embeddings"]["post"]["requestBody"]


def test_deadlines(serving, bundle):
    """Of 1 ms nothing is answered in time while others are served; 429 says when to come again."""
    running = serving(f"small={bundle}")
    many = ["the moon and the river " * 3] * 2000
    other = threading.Thread(target=post, args=(running.url,), kwargs={"input": many})
    other.start()
    time.sleep(0.05)
    url = f"{running.url}/v1/embeddings"

    def soon(ms):
        return httpx2.post(url, json=ASK | {"input": ["the moon"] * 20}, headers={"x-deadline-ms": str(ms)})

    def never_done(ms):
        return httpx2.post(url, json=ASK | {"input": ["the moon " * 10] * 2000}, headers={"x-deadline-ms": str(ms)})

    # A slow machine cannot do twenty texts in 2 ms even alone (413), nor take a long body (408), so each try allows
    # twice as much.
    late = next(found for ms in (2, 4, 8, 16, 32) if (found := soon(ms)).status_code not in (408, 413))
    other.join()
    never = next(found for ms in (1, 2, 4, 8, 16, 32) if (found := never_done(ms)).status_code != 408)
    assert never.status_code == 413
    assert "send fewer texts at a time" in never.json()["error"]["message"]
    assert late.status_code == 429
    assert float(late.headers["retry-after"]) >= 1
    assert late.json()["error"]["code"] == "rate_limit_exceeded"
    for wrong in ("soon", "0", "-1", "9" * 5000):
        assert httpx2.post(url, json=ASK, headers={"x-deadline-ms": wrong}).status_code == 400


def test_a_body_that_is_not_there_by_its_deadline(serving, bundle):
    running = serving(f"small={bundle}")
    host, port = running.url.removeprefix("http://").split(":")
    head = b"POST /embed HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nx-deadline-ms: 500\r\n"
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(head + b'content-length: 99\r\n\r\n{"input": ')
        assert connection.recv(4096).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("texts", [1, 3])
def test_too_many_at_a_time(serving, bundle, texts):
    """Single texts and lists alike: some are answered, the others are told to come again, nobody waits for ever."""
    running = serving(f"small={bundle}", "--waiting", "0.01", "--most-requests", "4")
    seen = []

    def ask():
        for _ in range(20):
            answer = post(running.url, input=["the moon and the river " * 20] * texts)
            seen.append((answer.status_code, answer.headers.get("retry-after")))

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {status for status, _ in seen} == {200, 429}
    assert all(after and int(after) >= 1 for status, after in seen if status == 429)
    assert post(running.url).status_code == 200


def test_who_hangs_up_is_dropped(serving, bundle):
    running = serving(f"small={bundle}")
    host, port = running.url.removeprefix("http://").split(":")
    body = json.dumps(ASK | {"input": ["the moon and the river " * 5] * 2000}).encode()
    head = "POST /v1/embeddings HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    head += f"content-length: {len(body)}"
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(head.encode() + b"\r\n\r\n" + body)
        time.sleep(0.1)
    line = running.event("request", status=499, timeout=10)
    assert line["texts"] == 2000
    assert post(running.url).status_code == 200
    text = httpx2.get(f"{running.url}/metrics").text
    assert 'te_request_failure{err="dropped"} 1.0' in text
    assert "te_queue_size 0.0" in text


def test_a_rerank_that_hangs_up_is_dropped_too(serving, bundle):
    running = serving(f"small={bundle}")
    host, port = running.url.removeprefix("http://").split(":")
    body = json.dumps({"query": "the moon", "documents": ["the moon and the river " * 5] * 2000}).encode()
    head = b"POST /v1/rerank HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    for _ in range(20):
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(head + b"content-length: %d\r\n\r\n" % len(body) + body)
            time.sleep(0.06)
    assert running.event("request", status=499, timeout=10)["texts"] == 2000
    until = time.monotonic() + 10
    while post(running.url).status_code != 200:
        assert time.monotonic() < until
        time.sleep(0.05)


def test_what_was_taken_is_finished_at_the_end(serving, bundle):
    running = serving(f"small={bundle}")
    found = []
    many = ["the moon and the river " * 3] * 2000
    asking = threading.Thread(target=lambda: found.append(post(running.url, input=many)))
    asking.start()
    time.sleep(0.3)
    running.process.send_signal(signal.SIGTERM)
    asking.join(30)
    assert found[0].status_code == 200
    assert len(found[0].json()["data"]) == 2000
    assert running.process.wait(20) in (0, -signal.SIGTERM)


def test_a_bundle_that_answers_otherwise_is_not_served(command, bundle, tmp_path):
    """A weight that was changed, with a certificate that says it was always so: only the canaries can tell."""
    import shutil

    import onnx
    from onnx import numpy_helper

    from sizewise.bundle import certificate

    changed = shutil.copytree(bundle, tmp_path / "changed")
    path = next(changed.rglob("model.onnx"))
    graph = onnx.load(path)
    weight = max(graph.graph.initializer, key=lambda one: numpy_helper.to_array(one).size)
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) * 1.5 + 0.1, weight.name))
    onnx.save(graph, path)
    about = {name: value for name, value in certificate.read(changed).items() if name not in ("digest", "files")}
    certificate.write(changed, about)
    done = command("serve", changed)
    assert done.returncode == 1
    assert "it is not so that canary vectors are those of the certificate" in done.stderr
    assert "it is not served" in done.stderr


def test_a_file_that_was_changed_is_not_served(command, bundle, tmp_path):
    import shutil

    changed = shutil.copytree(bundle, tmp_path / "changed")
    with (changed / "sizewise.json").open("a") as file:
        file.write(" ")
    done = command("serve", changed)
    assert done.returncode == 1
    assert "sizewise.json was changed" in done.stderr


def test_it_lives_before_it_is_ready(serving, bundle):
    running = serving(f"small={bundle}", wait=False)
    first = httpx2.get(f"{running.url}/livez", timeout=30)
    assert first.status_code == 200
    early = httpx2.get(f"{running.url}/readyz")
    if early.status_code == 503:
        assert early.json()["error_type"] == "Unhealthy"
        assert early.headers["retry-after"] == "1"
    running.ready()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, -signal.SIGTERM), (signal.SIGINT, 130)])
def test_it_ends_while_it_loads(serving, bundle, slow, number, code):
    running = serving(f"small={bundle}", env=slow, wait=False)
    assert httpx2.get(f"{running.url}/readyz", timeout=60).status_code == 503
    assert running.end(number) == code
    assert "Traceback" not in "".join(running.lines)


def test_ctrl_c_ends_it(serving, bundle):
    running = serving(f"small={bundle}")
    assert running.end(signal.SIGINT) == 130
    assert "Traceback" not in "".join(running.lines)

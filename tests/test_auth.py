"""Tokens: hashed, compared in constant time, valid at once and never again; which route needs which role."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

import cli
from deployments import ingress_auth
from deployments.auth import (
    OPEN,
    ROUTE_ROLES,
    Authenticator,
    AuthSettings,
    is_loopback,
    start_problem,
    tokens_needed,
)
from deployments.ingress_auth import AuthMiddleware, guard
from deployments.settings import GraphArgs
from deployments.tokens import FILE_NAME, ROLES, Role, TokenStore
from ops.profiles import PROFILE_FILES, load_profile
from ops.strict_config import check_config
from schema.errors import ErrorBody, Forbidden, InternalError, InvalidRequest, NotFound, Unauthorized
from tests.child_processes import Child

ROOT = Path(__file__).resolve().parents[1]
OUTSIDE = "0.0.0.0"


def test_only_the_hash_is_kept_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    token, text = TokenStore(tmp_path).add("ci", "submit")
    secret = text.split("_", 2)[2]
    kept = (tmp_path / FILE_NAME).read_text()
    assert secret not in kept
    assert json.loads(kept)["tokens"][0]["digest"] == hashlib.sha256(secret.encode()).hexdigest()
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600
    assert re.fullmatch(r"tka_[0-9a-f]{8}_[\w-]{43}", text)
    assert TokenStore(tmp_path).find(text) == token
    assert not [p.name for p in tmp_path.iterdir() if p.name not in (FILE_NAME, f".{FILE_NAME}.lock")]


def test_what_is_not_the_token_is_not_found(tmp_path: Path) -> None:
    store = TokenStore(tmp_path)
    _, text = store.add("a", "read")
    _, other = store.add("b", "admin")
    swapped = f"{text[:13]}{other[13:]}"
    for wrong in (text[:-1], text + "x", text.upper(), text.replace("tka", "tkb"), swapped, "", "tka__", text + "\n"):
        assert store.find(wrong) is None
    flipped = text[:-1] + ("A" if text[-1] != "A" else "B")
    assert store.find(flipped) is None


def test_secrets_are_compared_in_constant_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = TokenStore(tmp_path)
    _, text = store.add("a", "read")
    compared: list[tuple[str, str]] = []

    def compare(a: str, b: str) -> bool:
        compared.append((a, b))
        return a == b

    monkeypatch.setattr(hmac, "compare_digest", compare)
    store.find(text)
    store.find(f"tka_00000000_{'A' * 43}")
    store.find("nonsense")
    assert len(compared) == 3
    assert all(len(a) == len(b) == 64 for a, b in compared)


def test_changes_take_effect_at_once_in_other_processes(tmp_path: Path) -> None:
    server = TokenStore(tmp_path)
    assert server.all() == ()
    code = (
        "import sys; from pathlib import Path; from deployments.tokens import TokenStore\n"
        "print(TokenStore(Path(sys.argv[1])).add('other', 'admin')[1])"
    )
    with ExitStack() as together:
        made = [together.enter_context(Child("-c", code, str(tmp_path), talks=True)) for _ in range(3)]
        texts = [process.line() for process in made]
    assert [server.find(text) is not None for text in texts] == [True] * 3
    assert len(server.all()) == 3
    first = server.find(texts[0])
    assert first is not None
    TokenStore(tmp_path).revoke(first.id)
    assert server.find(texts[0]) is None
    assert server.find(texts[1]) is not None
    with pytest.raises(NotFound, match=first.id):
        server.revoke(first.id)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"tokens": [{"id": "x"}]}', '{"tokens": [], "more": 1}'])
def test_a_broken_file_lets_nobody_in(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE_NAME).write_text(content)
    with pytest.raises(InternalError, match=r"tokens\.json"):
        Authenticator(TokenStore(tmp_path), needed=True).authorize("read", "Bearer x")


@pytest.mark.parametrize("name", ["", "x" * 101])
def test_names_are_bounded(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidRequest, match="1 to 100"):
        TokenStore(tmp_path).add(name, "read")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("8.8.8.8", False),
        ("analyzer.example", False),
        ("127.0.0.1.example", False),
        ("", False),
    ],
)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
    assert tokens_needed(AuthSettings(), host) is not expected
    assert tokens_needed(AuthSettings(tokens="always"), host)


def test_each_role_may_what_those_before_it_may(tmp_path: Path) -> None:
    store = TokenStore(tmp_path)
    strict = Authenticator(store, needed=True)
    for have in ROLES:
        token, text = store.add(have, have)
        for need in ROLES:
            if ROLES.index(have) >= ROLES.index(need):
                assert strict.authorize(need, f"Bearer {text}") == token
            else:
                with pytest.raises(Forbidden, match=f"'{need}'.*'{have}'"):
                    strict.authorize(need, f"bearer {text}")
        assert strict.authorize(OPEN, None) is None
    for header in (None, "", "Bearer", "Bearer ", "Bearer x", "Basic abc", "x"):
        with pytest.raises(Unauthorized):
            strict.authorize("read", header)


def test_on_loopback_no_token_is_needed_but_a_wrong_one_is_told(tmp_path: Path) -> None:
    easy = Authenticator(TokenStore(tmp_path), needed=False)
    assert easy.authorize("admin", None) is None
    with pytest.raises(Unauthorized):
        easy.authorize("read", "Bearer wrong")


# -------------------------------------------------------------------------------------------------------- routes


def routes_of(router: Any) -> set[tuple[str, str]]:
    """Method and path of every route; FastAPI keeps those of an included router inside it."""
    found = set()
    for route in router.routes:
        if hasattr(route, "original_router"):
            found |= routes_of(route.original_router)
        else:
            found |= {(method, str(route.path)) for method in (getattr(route, "methods", None) or {"GET"}) - {"HEAD"}}
    return found


def test_every_route_has_a_role_and_every_role_a_route() -> None:
    from deployments.ingress import app

    found = routes_of(app)
    assert ("POST", "/analyze") in found
    assert found == set(ROUTE_ROLES)


def test_the_documentation_says_that_a_token_is_sent_and_what_refuses_it() -> None:
    from deployments.ingress import app

    said = app.openapi()
    assert said["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
    for path, methods in said["paths"].items():
        for method, operation in methods.items():
            assert operation["security"] == [{"HTTPBearer": []}], (method, path)
            assert "unauthorized" in operation["responses"]["401"]["description"], (method, path)
            assert "403" in operation["responses"], (method, path)


def test_only_the_probes_are_open() -> None:
    assert {route for route, role in ROUTE_ROLES.items() if role == OPEN} == {
        ("GET", "/health/live"),
        ("GET", "/health/ready"),
    }


def test_what_changes_something_needs_more_than_read() -> None:
    assert all(role in ("submit", "admin") for (method, _), role in ROUTE_ROLES.items() if method != "GET")


def small_app() -> FastAPI:
    """Routes like the ingress's, without Ray behind them."""
    app = FastAPI()
    app.add_middleware(AuthMiddleware)

    def add(method: str, path: str) -> None:
        app.add_api_route(path, lambda: {"answered": f"{method} {path}"}, methods=[method])

    for method, path in ROUTE_ROLES:
        if (method, path) not in routes_of(app):
            add(method, path)
    add("GET", "/forgotten")
    return app


@pytest.fixture
def tokens(tmp_path: Path) -> dict[Role, str]:
    store = TokenStore(tmp_path)
    return {role: store.add(role, role)[1] for role in ROLES}


@pytest.fixture
def client(tmp_path: Path, tokens: dict[Role, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setattr(ingress_auth, "_of_this_process", [])
    guard(GraphArgs(data_dir=str(tmp_path)), host=OUTSIDE)
    with TestClient(small_app()) as found:
        yield found


def asked(client: TestClient, method: str, path: str, token: str | None) -> Any:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return client.request(method, path.replace("{id}", "7"), headers=headers)


@pytest.mark.parametrize(("method", "path"), list(ROUTE_ROLES))
def test_routes_answer_the_roles_of_the_table(
    client: TestClient, tokens: dict[Role, str], method: str, path: str
) -> None:
    need = ROUTE_ROLES[method, path]
    for have in (None, *ROLES):
        answer = asked(client, method, path, tokens[have] if have else None)
        if need == OPEN or (have and ROLES.index(have) >= ROLES.index(need)):
            assert answer.status_code == 200, (have, answer.text)
        else:
            body = ErrorBody.model_validate_json(answer.content)
            expected = (403, "forbidden") if have else (401, "unauthorized")
            assert (answer.status_code, body.code) == expected
            assert body.suggested_action
            assert str(answer.headers.get("www-authenticate")).startswith("None" if have else "Bearer, Basic ")


def test_a_browser_sends_the_token_as_password_and_only_to_read(client: TestClient, tokens: dict[Role, str]) -> None:
    for user in ("", "anybody"):
        assert client.get("/jobs", auth=(user, tokens["read"])).status_code == 200
    assert client.get("/jobs", auth=(tokens["read"], "")).status_code == 401
    assert client.get("/jobs", auth=("", tokens["read"] + "x")).status_code == 401
    assert client.get("/jobs", headers={"Authorization": "Basic !!!"}).status_code == 401
    for method, path in (("POST", "/analyze"), ("DELETE", "/jobs/7")):
        assert client.request(method, path, auth=("", tokens["admin"])).status_code == 401


def test_what_the_table_forgets_needs_admin(client: TestClient, tokens: dict[Role, str]) -> None:
    assert asked(client, "GET", "/forgotten", tokens["submit"]).status_code == 403
    assert asked(client, "GET", "/forgotten", tokens["admin"]).status_code == 200


def test_unknown_paths_and_methods_say_nothing_without_a_token(client: TestClient, tokens: dict[Role, str]) -> None:
    assert asked(client, "GET", "/nowhere", None).status_code == 401
    assert asked(client, "GET", "/nowhere", tokens["submit"]).status_code == 403
    assert asked(client, "GET", "/nowhere", tokens["admin"]).status_code == 404
    assert asked(client, "PUT", "/analyze", None).status_code == 401
    assert asked(client, "PUT", "/analyze", tokens["admin"]).status_code == 405
    assert asked(client, "HEAD", "/jobs", None).status_code == 401


def test_paths_that_are_spelt_otherwise_are_no_way_around(client: TestClient) -> None:
    for path in ("/health/live/../../jobs", "/health/live/", "//jobs", "/jobs/", "/JOBS", "/%6aobs", "/health/live%00"):
        answer = client.request("GET", path, follow_redirects=False)
        assert answer.status_code in (401, 404), path
        assert "answered" not in answer.text, path


def test_nothing_passes_before_the_rules_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingress_auth, "_of_this_process", [])
    with TestClient(small_app()) as client:
        assert client.get("/health/ready").status_code == 500
        assert client.get("/jobs").status_code == 500


# --------------------------------------------------------------------------------------------------------- start


def test_a_server_that_others_reach_does_not_start_without_a_token(tmp_path: Path) -> None:
    settings, store = AuthSettings(), TokenStore(tmp_path)
    assert start_problem(settings, "127.0.0.1", store) is None
    for host, auth in ((OUTSIDE, settings), ("127.0.0.1", AuthSettings(tokens="always"))):
        problem = start_problem(auth, host, store)
        assert problem is not None
        assert "tiktok-analyzer tokens add NAME --role admin" in problem
    args = GraphArgs(data_dir=str(tmp_path))
    with pytest.raises(RuntimeError, match="tokens add"):
        guard(args, host=OUTSIDE)
    store.add("a", "admin")
    assert start_problem(settings, OUTSIDE, store) is None


@pytest.mark.parametrize("host", [OUTSIDE, None])
def test_the_yaml_is_refused_before_ray_starts(tmp_path: Path, host: str | None) -> None:
    def problems() -> list[str]:
        return [problem for problem in check_config(config) if "http_options" in problem]

    config = load_profile(PROFILE_FILES["cpu"], args={"data_dir": str(tmp_path)})
    assert problems() == []
    config["http_options"] = {"port": 8003} if host is None else {"port": 8003, "host": host}
    (problem,) = problems()
    assert "http_options.host" in problem
    assert "tiktok-analyzer tokens add" in problem
    TokenStore(tmp_path).add("a", "read")
    assert problems() == []


def test_the_command_line_makes_lists_and_revokes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ["--data", str(tmp_path)]
    assert cli.main(["tokens", "list", *data]) == cli.EXIT_OK
    assert "tokens add" in capsys.readouterr().out
    assert cli.main(["tokens", "add", "web shop", "--role", "read", *data]) == cli.EXIT_OK
    text = re.search(r"tka_\S+", capsys.readouterr().out)
    assert text is not None
    token = TokenStore(tmp_path).find(text[0])
    assert token is not None
    assert (token.name, token.role) == ("web shop", "read")
    assert cli.main(["tokens", "list", *data]) == cli.EXIT_OK
    listed = capsys.readouterr().out
    assert token.id in listed
    assert text[0].split("_")[2] not in listed
    assert cli.main(["tokens", "revoke", token.id, *data]) == cli.EXIT_OK
    assert TokenStore(tmp_path).find(text[0]) is None
    assert cli.main(["tokens", "revoke", token.id, *data]) == cli.EXIT_REFUSED
    assert token.id in capsys.readouterr().err

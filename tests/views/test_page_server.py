import io
import json
import re
import socket
import ssl
import subprocess
import urllib.request
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.image import imread

from streamforest.views import browser, page_server
from streamforest.views.browser import ASKS_A_MINUTE
from streamforest.views.page_server import FILES, FOLDER, cookie_name, is_own_host, most_connections
from tests.servers import wait_until
from tests.visits import REPORT, Run

PATHS = (
    "/",
    "/live",
    "/metrics",
    "/picture.png",
    "/report.csv",
    "/anomalies.json",
    "/seen.csv",
    "/case.zip",
    *(f"/{name}" for name in FILES),
    "/mpl.js",
    "/favicon.ico",
    "/../settings.py",
    "/%2e%2e/x",
)


@pytest.mark.parametrize("token", ["", "?token=", "?token=wrong", "?token=%FF", "?token=\u00e9".encode().hex()])
def test_nothing_is_served_without_the_token(run, token):
    for path in PATHS:
        code, headers, body = run.get(path + token)
        assert code == 403
        assert run.token.encode() not in body
        assert headers["X-Frame-Options"] == "DENY"
    assert run.shake_hands(f"/live{token}", Origin=run.origin) == 403


def test_a_cut_or_a_repeated_token_is_refused(run):
    for token in (run.token[:-1], run.token + "x", f"{run.token}&token=x"):
        assert run.get(f"/?token={token}")[0] == 403


def test_a_foreign_origin_or_host_is_refused_even_with_the_token(run):
    port, token = run.view.port, f"?token={run.token}"
    for path in ("/", "/report.csv", "/picture.png"):
        assert run.get(path + token, Origin="http://evil.example")[0] == 403
        assert run.get(path + token, host=f"evil.example:{port}")[0] == 403
    for origin in (
        "http://evil.example",
        "null",
        f"http://localhost:{port}",
        f"http://127.0.0.1:{port + 1}",
        "file://",
    ):
        assert run.shake_hands(f"/live{token}", Origin=origin) == 403
    rebound = f"evil.example:{port}"
    assert run.shake_hands(f"/live{token}", host=rebound, Origin=f"http://{rebound}") == 403
    assert run.asked == []


def test_a_websocket_without_an_origin_is_refused(run):
    assert run.shake_hands(f"/live?token={run.token}") == 403
    assert run.shake_hands(f"/live?token={run.token}", Origin=run.origin) == 101


def test_the_page_may_load_nothing_from_elsewhere_and_is_not_kept(run):
    code, headers, body = run.get(f"/?token={run.token}")
    policy = headers["Content-Security-Policy"]
    assert code == 200
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "Server" not in headers
    assert "script-src 'self'; style-src 'self'" in policy
    assert not re.search(rb"<style|style=|<script[^>]*>[^<]|\son\w+=|https?://", body)
    assert b"@" not in body, "all is filled in"
    assert run.token.encode() not in body


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_has_the_theme_of_the_run(tmp_path, theme):
    with Run(tmp_path, theme=theme) as run:
        media = "all" if theme == "dark" else "(prefers-color-scheme: dark)"
        assert f'href="dark.css" media="{media}"'.encode() in run.get(f"/?token={run.token}")[2]


def test_all_files_of_the_page_are_served_as_they_are_and_nothing_beside_them(run):
    for name, kind in FILES.items():
        code, headers, body = run.get(f"/{name}?token={run.token}")
        assert (code, headers["Content-Type"]) == (200, kind)
        assert body == (FOLDER / name).read_bytes()
        assert headers["X-Content-Type-Options"] == "nosniff"
    there = {path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.is_file()}
    assert there - set(FILES) == {"page.html", "plots.html", "moves.html", "uplot/LICENSE"}
    for name in ("page.html", "uplot/LICENSE", "uplot/", "uplot/../page.js", "..%2fbrowser.py"):
        assert run.get(f"/{name}?token={run.token}")[0] == 404


def test_it_listens_on_this_machine_only_and_says_where(run):
    assert run.view.address == f"http://127.0.0.1:{run.view.port}/?token={run.token}"
    assert len(run.token) >= 32
    assert run.notices == [f"page: {run.view.address}", f"page to look at only: {run.view.reading_address}"]
    assert run.view.server.listener.getsockname()[0] == "127.0.0.1"


def test_a_public_page_warns_and_still_wants_the_token_and_a_host_no_stranger_can_name(tmp_path):
    with Run(tmp_path, public=True) as run:
        assert "warning" in run.notices[0]
        assert run.token not in run.notices[0]
        port, token = run.view.port, f"?token={run.token}"
        assert run.view.server.listener.getsockname()[0] == "0.0.0.0"
        assert run.get(f"/{token}", host=f"192.0.2.7:{port}")[0] == 200
        assert run.get(f"/{token}", host=f"{socket.gethostname()}:{port}")[0] == 200
        assert run.get(f"/{token}", host=f"evil.example:{port}")[0] == 403
        assert run.get("/", host=f"192.0.2.7:{port}")[0] == 403


def test_a_taken_port_is_told_in_one_line(run, tmp_path):
    with (
        pytest.raises(OSError, match=f"port {run.view.port}: .*choose another, or 0") as caught,
        Run(tmp_path, port=run.view.port),
    ):
        pass
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "public", "is_own"),
    [
        ("127.0.0.1:8000", False, True),
        ("localhost:8000", False, True),
        ("127.0.0.1", False, True),
        ("127.0.0.1:8001", False, True),  # a tunnel
        ("127.0.0.1:", False, False),
        ("127.0.0.1:80x", False, False),
        ("localhost:1:2", False, False),
        ("127.0.0.1.evil.example:8000", False, False),
        ("192.0.2.7:8000", False, False),
        ("192.0.2.7:8000", True, True),
        ("[2001:db8::1]:8000", True, True),
        ("evil.example:8000", True, False),
        ("", True, False),
        (":8000", True, False),
        ("127.0.0.1:\u0668\u0660\u0660\u0660", False, False),
    ],
)
def test_only_names_that_cannot_be_a_strangers_are_own(host, public, is_own):
    assert is_own_host(host, public) == is_own


def test_a_tunnel_to_another_port_of_this_machine_works_and_a_page_of_another_port_does_not(run):
    host = "127.0.0.1:9"
    assert run.get(f"/?token={run.token}", host=host)[0] == 200
    assert run.shake_hands(f"/live?token={run.token}", host=host, Origin=f"http://{host}") == 101
    assert run.shake_hands(f"/live?token={run.token}", Origin=f"http://{host}") == 403


def test_the_report_is_served_as_it_stands(run):
    code, headers, body = run.get(f"/report.csv?token={run.token}")
    assert (code, body) == (200, REPORT)
    assert headers["Content-Type"].startswith("text/csv")
    assert "attachment" in headers["Content-Disposition"]


def test_a_report_that_cannot_be_read_is_told_in_words(tmp_path):
    def fail():
        raise OSError("cannot read the report: it was removed")

    with Run(tmp_path, report=fail) as run:
        code, _, body = run.get(f"/report.csv?token={run.token}")
        assert code == 500
        assert body.decode() == "500: cannot read the report: it was removed\n"


def test_what_is_seen_is_served_as_csv(run):
    code, headers, body = run.get(f"/seen.csv?first=10&end=12&token={run.token}")
    header, *lines = body.decode().splitlines()
    assert (code, headers["Content-Type"]) == (200, "text/csv; charset=UTF-8")
    assert header.split(",")[:3] == ["index", "time", "value"]
    assert [line.split(",")[0] for line in lines] == ["10", "11"]
    assert float(lines[0].split(",")[2]) == run.rows["value"][10]
    assert len(run.get(f"/seen.csv?first=-5&end={10**30}&token={run.token}")[2].splitlines()) == 301
    for place in ("", "first=1", "first=a&end=5", "first=1.5&end=5", "first=nan&end=5"):
        assert run.get(f"/seen.csv?{place}&token={run.token}")[0] == 400


def test_the_case_of_an_episode_is_served_and_why_there_is_none(run):
    code, headers, body = run.get(f"/case.zip?at=150&token={run.view.reading_token}")
    assert (code, headers["Content-Type"], body) == (200, "application/zip", b"case of 150")
    assert run.get(f"/case.zip?at={10**30}&token={run.token}")[2] == b"case of %d" % 2**53
    for place in ("", "at=x", "at=1.5"):
        assert run.get(f"/case.zip?{place}&token={run.token}")[0] == 400
    run.case_fault = OSError("no case: there is no episode yet")
    assert run.get(f"/case.zip?at=1&token={run.token}")[2] == b"500: no case: there is no episode yet\n"


def test_the_anomalies_are_served_as_json(run):
    code, headers, body = run.get(f"/anomalies.json?token={run.token}")
    assert (code, headers["Content-Type"]) == (200, "application/json")
    assert json.loads(body) == [{"index": 0, "time": None}]


def test_a_picture_of_a_view_is_served_to_all_and_saved_nowhere(run, tmp_path):
    whole, part = (
        run.get(f"/picture.png?first={first}&end={end}&token={run.view.reading_token}")
        for first, end in ((0, 300), (90, 130))
    )
    for code, headers, body in (whole, part):
        assert (code, headers["Content-Type"], body[:4]) == (200, "image/png", b"\x89PNG")
    assert whole[2] != part[2]
    assert run.get(f"/picture.png?first=0&token={run.token}")[0] == 400
    assert run.get(f"/picture.png?first=0&end={10**30}&token={run.token}")[0] == 200
    assert not [*tmp_path.glob("*.png")]


def test_the_picture_is_a_whole_png_and_the_one_that_was_saved(run, tmp_path):
    code, headers, body = run.get(f"/picture.png?token={run.token}")
    (saved,) = tmp_path.glob("*.png")
    assert (code, headers["Content-Type"]) == (200, "image/png")
    assert body == saved.read_bytes()
    assert len(np.unique(imread(io.BytesIO(body)).reshape(-1, 4), axis=0)) > 50


def test_the_numbers_are_served_to_whoever_has_the_token_in_either_place(run):
    for path, headers in (
        (f"/metrics?token={run.token}", {}),
        ("/metrics", {"Authorization": f"Bearer {run.token}"}),
        ("/metrics", {"Authorization": f"bearer {run.token}"}),
    ):
        code, answer, body = run.get(path, **headers)
        assert (code, answer["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
        assert b"\nstreamforest_points_total 300\n" in body
        assert b"\nstreamforest_threshold 0.6\n" in body


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", "Bearer wrong", "Basic {token}", "{token}", "Bearer \xe9", "Bearer {token}x"],
)
def test_a_header_without_the_token_is_refused(run, authorization):
    assert run.get("/metrics", Authorization=authorization.format(token=run.token))[0] == 403
    assert run.get(f"/metrics?token={run.token}x", Authorization=f"Bearer {run.token}")[0] == 403
    assert run.get("/metrics", host="evil.example", Authorization=f"Bearer {run.token}")[0] == 403


# Limits


def callers(run, n, stack):
    """Connections that never say a word."""
    return [stack.enter_context(socket.create_connection(("127.0.0.1", run.view.port), 10)) for _ in range(n)]


def is_closed(caller):
    """Whether the other side has closed a connection."""
    caller.settimeout(5)
    with suppress(ConnectionResetError):
        return caller.recv(1) == b""
    return True


def test_strangers_beyond_the_limit_make_room_and_who_has_the_token_stays(tmp_path):
    with Run(tmp_path, most_visitors=8) as run, ExitStack() as stack:
        (own,) = callers(run, 1, stack)
        request = f"GET /metrics?token={run.token} HTTP/1.1\r\nHost: 127.0.0.1:{run.view.port}\r\n\r\n".encode()
        own.sendall(request)
        assert own.recv(65_536).startswith(b"HTTP/1.1 200")
        strangers = callers(run, 200, stack)
        assert all(is_closed(stranger) for stranger in strangers[:150])
        wait_until(lambda: len(run.view.server.connections) <= 8)
        own.sendall(request)
        assert own.recv(65_536).startswith(b"HTTP/1.1 200")
        assert run.get(f"/metrics?token={run.token}")[0] == 200


def test_open_pages_leave_room_for_short_questions(tmp_path):
    with Run(tmp_path, most_visitors=8) as run, ExitStack() as stack:
        own = f"Host: 127.0.0.1:{run.view.port}\r\nOrigin: {run.origin}\r\n"
        hands = f"GET /live?token={run.token} HTTP/1.1\r\n{own}Upgrade: websocket\r\nConnection: Upgrade\r\n"
        hands += "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        answers = []
        for link in callers(run, 8, stack):
            link.sendall(hands.encode())
            answers.append(link.recv(4096)[9:12])
        assert answers == [b"101"] * 6 + [b"503"] * 2
        assert run.get(f"/metrics?token={run.token}")[0] == 200


def test_a_fault_in_accepting_waits_quietly_and_ends(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(page_server, "ACCEPT_PAUSE", 0.05)
    faults = iter(range(3))

    def listen(*place):
        listener = page_server.listen(*place)

        def accept():
            if next(faults, None) is not None:
                raise OSError(24, "Too many open files")
            return listener.accept()

        parts = {name: getattr(listener, name) for name in ("fileno", "close", "getsockname")}
        return SimpleNamespace(accept=accept, **parts)

    monkeypatch.setattr(browser, "listen", listen)
    with Run(tmp_path) as run, ExitStack() as stack:
        callers(run, 1, stack)
        assert run.get(f"/metrics?token={run.token}")[0] == 200
        assert next(faults, "none") == "none"
    assert capfd.readouterr() == ("", "")


def test_the_limit_leaves_descriptors_for_files_and_commands(monkeypatch, tmp_path):
    resource = pytest.importorskip("resource")
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert 1 <= most_connections() <= max(1, soft // 4)
    assert 0 < page_server.open_descriptors() < soft
    for left in (0, 1, 3):
        used = soft - page_server.DESCRIPTORS_KEPT - left
        monkeypatch.setattr(page_server, "open_descriptors", lambda used=used: used)
        assert most_connections() == left
    monkeypatch.setattr(page_server, "open_descriptors", lambda: soft)
    with pytest.raises(OSError, match="the limit on open files"), Run(tmp_path):
        raise AssertionError("it is served")


def test_who_acknowledges_and_does_not_read_gets_no_more():
    visitor = object.__new__(page_server.Visitor)
    page_server.Visitor.initialize(visitor, None)
    visitor.feed = SimpleNamespace(
        due=lambda is_ready, _now: [("chart", b"points")] if is_ready("chart") else [], note_read=lambda *_: None
    )
    sent = []

    def write_message(content, binary):
        sent.append(Future())
        return sent[-1] if binary else content

    visitor.write_message = write_message
    for _ in range(50):
        visitor.offer(0, "", 0.0)
        visitor.acknowledge("chart", 0.0)
    assert len(sent) == 1, "what the network has not taken is unread"
    sent[0].set_result(None)
    visitor.offer(0, "", 0.0)
    assert len(sent) == 2


# Two tokens, and a cookie


def test_a_reading_token_looks_and_does_nothing(run, tmp_path):
    reading = run.view.reading_token
    assert reading != run.token
    for path in ("/", "/metrics", "/report.csv"):
        assert run.get(f"{path}?token={reading}")[0] == 200
    code, _, body = run.get(f"/picture.png?token={reading}")
    assert (code, body[:4]) == (200, b"\x89PNG")
    assert not list(tmp_path.iterdir()), "it was drawn and not saved"
    assert b'data-acts="no"' in run.get(f"/?token={reading}")[2]
    assert b'data-acts="yes"' in run.get(f"/?token={run.token}")[2]
    visitor = SimpleNamespace(may_act=False, feed=run.view.new_feed())
    for message in ({"ask": "snapshot"}, {"ask": "next-detector"}, {"ask": "stop"}, {"ask": "report"}):
        run.view.heed(visitor, message)
    assert run.asked == []
    assert not run.actions.is_waiting


def test_after_the_first_visit_the_cookie_opens_the_page_and_nothing_else_may_use_it(run):
    for token in (run.token, run.view.reading_token):
        set_cookie = run.get(f"/?token={token}")[1]["Set-Cookie"]
        assert all(word in set_cookie for word in ("HttpOnly", "SameSite=Strict", "Path=/"))
        cookie = set_cookie.partition(";")[0]
        assert cookie == f"{cookie_name(run.view.port)}={token}"
        assert run.get("/", Cookie=cookie)[0] == 200
        assert run.get("/metrics", Cookie=cookie, **{"Sec-Fetch-Site": "same-origin"})[0] == 200
        for site in ("cross-site", "same-site"):
            assert run.get("/picture.png", Cookie=cookie, **{"Sec-Fetch-Site": site})[0] == 403
        assert run.get("/", Cookie=cookie + "x")[0] == 403
        assert run.shake_hands("/live", Cookie=cookie, Origin=run.origin) == 101
        assert run.shake_hands("/live", Cookie=cookie, Origin="http://127.0.0.1:9") == 403


def test_pictures_and_reports_are_limited_told_and_counted(run):
    codes = [run.get(f"/report.csv?token={run.token}")[0] for _ in range(ASKS_A_MINUTE + 3)]
    assert codes == [200] * ASKS_A_MINUTE + [429] * 3
    assert run.get(f"/metrics?token={run.token}")[0] == 200
    run.end()
    said = [line for line in run.notices if "pictures and reports" in line]
    assert said == [
        f"visitors ask for more than {ASKS_A_MINUTE} pictures and reports a minute: the rest is left out",
        "visitors asked for 3 pictures and reports too many",
    ]


def test_ten_thousand_asks_are_one_report_and_one_picture(tmp_path):
    with Run(tmp_path) as run:
        run.end()
        visitor = SimpleNamespace(may_act=True)
        for _ in range(10_000):
            run.view.heed(visitor, {"ask": "report"})
        assert run.actions.take() == ["report"]


def test_a_token_is_not_told_where_lines_go_into_a_file(tmp_path):
    with Run(tmp_path, is_private=False) as run:
        assert len(run.notices) == 1
        assert run.notices[0].startswith(f"page: http://127.0.0.1:{run.view.port}/ (")
        assert run.token not in run.notices[0]
        assert run.view.reading_token not in run.notices[0]


def test_a_proxy_s_address_is_shown_and_its_host_and_origin_are_own(tmp_path):
    with Run(tmp_path, base_url="https://monitor.example/pump/") as run:
        assert run.view.address == f"https://monitor.example/pump/?token={run.token}"
        token = f"?token={run.token}"
        headers = run.get(f"/{token}", host="monitor.example")[1]
        assert "Path=/pump" in headers["Set-Cookie"]
        assert "Secure" in headers["Set-Cookie"]
        assert run.get(f"/{token}")[0] == 200, "the proxy may name this machine"
        assert run.get(f"/{token}", host="evil.example")[0] == 403
        assert run.shake_hands(f"/live{token}", Origin="https://monitor.example") == 101
        assert run.shake_hands(f"/live{token}", Origin="http://monitor.example") == 403


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate of 127.0.0.1 and its key, in one file each."""
    folder = tmp_path_factory.mktemp("tls")
    words = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    try:
        subprocess.run(
            [*words.split(), "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
            check=True,
            capture_output=True,
        )
    except FileNotFoundError:
        pytest.skip("openssl is not there")
    return folder / "cert.pem", folder / "key.pem"


def test_a_certificate_of_one_s_own_makes_the_page_https(tmp_path, certificate):
    with Run(tmp_path, tls=certificate, public=True) as run:
        assert run.view.address.startswith("https://127.0.0.1:")
        assert not any("can be read on the way" in line for line in run.notices)
        context = ssl.create_default_context(cafile=certificate[0])
        with urllib.request.urlopen(run.view.address, context=context, timeout=10) as answer:
            assert "Secure" in answer.headers["Set-Cookie"]
            assert answer.status == 200


def test_a_certificate_that_cannot_be_used_is_told_in_one_line(tmp_path, certificate):
    for wrong in ((tmp_path / "none.pem", None), (certificate[0], None), (certificate[1], certificate[0])):
        with pytest.raises(OSError, match=r"certificate .* cannot be used") as caught, Run(tmp_path, tls=wrong):
            pass
        assert "\n" not in str(caught.value)

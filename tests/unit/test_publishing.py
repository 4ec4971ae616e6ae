"""What a line decided, told to a real MQTT broker: each at least once, in order, whoever is away for a while."""

from __future__ import annotations

import json
import os
import queue
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from line.commands import FAST, Commands, fill, make_models

from gonogo.cli import main
from gonogo.line.configuration import journal_of
from gonogo.line.files import LocalDisk
from gonogo.publishing import Broker, Publisher, Told, messages

PASSWORD = "not a secret"


class RealBroker:
    """Debian's mosquitto on loopback, with a name and a password, and on a second port with TLS, where it knows its clients."""

    def __init__(self, folder: Path, port: int, tls_port: int) -> None:
        program = shutil.which("mosquitto", path="/usr/bin:/usr/sbin:/usr/local/sbin")
        if program is None:
            pytest.skip("mosquitto is not installed; apt-get install mosquitto")
        keys = folder / "keys"
        keys.write_text(f"line:{PASSWORD}\n")
        keys.chmod(0o600)
        subprocess.run(["mosquitto_passwd", "-U", keys], check=True, capture_output=True)
        settings = (
            f"listener {port} 127.0.0.1\nallow_anonymous false\npassword_file {keys}\npersistence false\nuser root\n"
        )
        if tls_port:
            make_certificates(folder, "plant", "other")
            settings += f"listener {tls_port} 127.0.0.1\nrequire_certificate true\n"
            settings += "".join(f"{name} {folder / file}\n" for name, file in BROKER_FILES.items())
        (folder / "mosquitto.conf").write_text(settings)
        self.port, self.tls_port, self.folder = port, tls_port, folder
        self._command = [program, "-c", str(folder / "mosquitto.conf")]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(60)

    @contextmanager
    def listener(self) -> Iterator[queue.Queue[tuple[str, str]]]:
        """Somebody who hears all messages."""
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        heard: queue.Queue[tuple[str, str]] = queue.Queue()
        ready = threading.Event()
        client = Client(CallbackAPIVersion.VERSION2)
        client.username_pw_set("line", PASSWORD)
        client.reconnect_delay_set(0.1, 0.2)
        client.on_connect = lambda client, *_: client.subscribe("plant/#", qos=1)
        client.on_subscribe = lambda *_: ready.set()
        client.on_message = lambda _client, _data, message: heard.put((message.topic, message.payload.decode()))
        client.connect_async("127.0.0.1", self.port)
        client.loop_start()
        try:
            assert ready.wait(60)
            yield heard
        finally:
            client.disconnect()
            client.loop_stop()


BROKER_FILES = {"cafile": "plant.pem", "certfile": "plant-end.pem", "keyfile": "plant-end.key"}
EXTENSIONS = """
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[end]
basicConstraints = critical, CA:FALSE
subjectAltName = IP:127.0.0.1
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""


def make_certificates(folder: Path, *authorities: str) -> None:
    """NAME.pem of authorities, and NAME-end.pem with NAME-end.key from each, for 127.0.0.1."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("openssl is not installed; apt-get install openssl")
    (folder / "extensions").write_text(EXTENSIONS)
    command = [program, "req", "-x509", "-config", "extensions", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    for name in authorities:
        for made, kind, extra in (
            (name, "authority", ["-noenc"]),
            (f"{name}-end", "end", ["-noenc", "-CA", f"{name}.pem", "-CAkey", f"{name}.key"]),
            (f"{name}-locked", "end", ["-passout", "pass:x", "-CA", f"{name}.pem", "-CAkey", f"{name}.key"]),
        ):
            options = ["-days", "2", "-subj", f"/CN={made}", "-extensions", kind, *extra]
            files = ["-out", f"{made}.pem", "-keyout", f"{made}.key"]
            subprocess.run([*command, *options, *files], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def start_broker(tmp_path: Path) -> Iterator[Callable[..., RealBroker]]:
    made: list[RealBroker] = []

    def make(*, tls: bool = False) -> RealBroker:
        with socket.socket() as plain, socket.socket() as encrypted:
            plain.bind(("127.0.0.1", 0))
            encrypted.bind(("127.0.0.1", 0))
            ports = plain.getsockname()[1], encrypted.getsockname()[1] if tls else 0
        (tmp_path / "broker").mkdir()
        made.append(RealBroker(tmp_path / "broker", *ports))
        return made[-1]

    yield make
    for broker in made:
        broker.stop()


@pytest.fixture
def broker(start_broker: Callable[..., RealBroker]) -> RealBroker:
    return start_broker()


@pytest.fixture
def tls_broker(start_broker: Callable[..., RealBroker]) -> RealBroker:
    """Running."""
    broker = start_broker(tls=True)
    broker.start()
    return broker


# paho-mqtt leaves the socket of a connection that could not be encrypted to the garbage collector.
UNCLOSED = pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")


def tls_of(broker: RealBroker, ca: str = "plant", cert: str = "plant-end") -> dict[str, Any]:
    files = {"ca_file": f"{ca}.pem", "cert_file": cert and f"{cert}.pem", "key_file": cert and f"{cert}.key"}
    return {"port": broker.tls_port} | {key: str(broker.folder / name) for key, name in files.items() if name}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_models(tmp_path_factory.mktemp("models"))


@pytest.fixture
def sort(models: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., None]:
    def sort_pictures(**levels: int) -> None:
        inbox = fill(tmp_path / "in", {f"{name}.png": level for name, level in levels.items()}, seed=len(str(levels)))
        Commands(capsys)("sort", models["gated"], inbox, tmp_path / "out", *FAST)

    return sort_pictures


@contextmanager
def publishing(broker: RealBroker, out: Path, **changes: Any) -> Iterator[list[str]]:
    """A publisher at work; yields what it tells people."""
    told: list[str] = []
    where = Broker(**{"host": "127.0.0.1", "port": broker.port, "topic": "plant/line1"} | login() | changes)
    publisher = Publisher(where, journal_of(out), Told(out.parent / "told.json"), LocalDisk(), told.append)
    stopped = threading.Event()
    thread = threading.Thread(target=publisher.run, args=(stopped.is_set,))
    thread.start()
    try:
        yield told
    finally:
        stopped.set()
        thread.join(60)
        assert not thread.is_alive()


def login() -> dict[str, str]:
    return {"user": "line", "password": PASSWORD}


def next_said(heard: queue.Queue[tuple[str, str]], topic: str = "decision") -> Any:
    while True:
        found, payload = heard.get(timeout=60)
        if found == f"plant/line1/{topic}":
            return payload if topic == "state" else json.loads(payload)


def until(happened: Callable[[], bool]) -> None:
    """Wait for something, a minute at the longest."""
    end = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_each_decision_is_told_once_and_in_order(broker: RealBroker, sort: Callable[..., None], tmp_path: Path) -> None:
    sort(a=120, b=0)
    broker.start()
    with broker.listener() as heard:
        with publishing(broker, tmp_path / "out"):
            assert next_said(heard, "state") == "online"
            first, second = next_said(heard), next_said(heard)
            assert (first["name"], first["decision"], first["passed"]) == ("a.png", "ok", 1)
            assert (second["name"], second["decision"], second["final"]) == ("b.png", "bad", "bad/b.png")
            assert first["sequence"] < second["sequence"]
            sort(c=120)
            assert next_said(heard)["name"] == "c.png"
        assert next_said(heard, "state") == "offline"
        sort(d=0)
        with publishing(broker, tmp_path / "out"):
            # At least once, as MQTT calls it: the end may come before the receipt of the last one is noted.
            told = [next_said(heard)["name"]]
            if told == ["c.png"]:
                told = [next_said(heard)["name"]]
            assert told == ["d.png"]
        assert [topic for topic, _ in heard.queue if topic.endswith("decision")] == []


def test_while_no_broker_answers_messages_wait_and_sorting_goes_on(
    broker: RealBroker, sort: Callable[..., None], tmp_path: Path
) -> None:
    with publishing(broker, tmp_path / "out") as told:
        sort(a=120)
        broker.start()
        with broker.listener() as heard:
            names = {next_said(heard)["name"]}
            broker.stop()
            sort(b=0, c=120)
            broker.start()
            while names != {"a.png", "b.png", "c.png"}:
                names.add(next_said(heard)["name"])
    assert told[0].startswith(f"127.0.0.1:{broker.port}: no broker answers")
    assert f"127.0.0.1:{broker.port}: connected" in told


def test_a_line_that_has_not_begun_is_waited_for(broker: RealBroker, sort: Callable[..., None], tmp_path: Path) -> None:
    broker.start()
    with broker.listener() as heard, publishing(broker, tmp_path / "out") as told:
        assert next_said(heard, "state") == "online"
        until(lambda: len(told) == 2)
        sort(a=120)
        assert next_said(heard)["name"] == "a.png"
    journal = journal_of(tmp_path / "out")
    assert told[1:] == [f"{journal}: no journal yet; waiting for gonogo sort to make it"]


def test_an_output_that_was_never_filled_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mqtt", str(tmp_path), "--topic", "plant/line1"]) == 2
    assert capsys.readouterr().err == (
        f"gonogo mqtt: OUT: found no {tmp_path / '.gonogo'}; run gonogo sort first, or name a file with --told\n"
    )


def test_without_paho_the_remedy_is_named(
    sort: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sort(a=120)
    monkeypatch.setitem(sys.modules, "paho.mqtt.client", None)
    assert main(["mqtt", str(tmp_path / "out"), "--topic", "plant/line1"]) == 2
    assert capsys.readouterr().err == (
        "gonogo mqtt: MQTT needs paho-mqtt; install it, or gonogo with the extra 'mqtt'\n"
    )


def test_a_refusal_is_said(broker: RealBroker, sort: Callable[..., None], tmp_path: Path) -> None:
    sort(a=120)
    broker.start()
    with broker.listener() as heard, publishing(broker, tmp_path / "out", password="wrong") as told:
        until(lambda: any("the broker refuses" in line for line in told))
        assert heard.empty()
    assert not (tmp_path / "told.json").exists()


def test_a_journal_that_was_made_anew_is_told_from_its_beginning(
    broker: RealBroker, sort: Callable[..., None], tmp_path: Path
) -> None:
    sort(a=120)
    (tmp_path / "told.json").write_text('{"sequence": 10000, "time": "2026-01-01T00:00:00.000+00:00"}')
    broker.start()
    with broker.listener() as heard, publishing(broker, tmp_path / "out") as told:
        assert next_said(heard)["name"] == "a.png"
    assert "the journal is another one" in " ".join(told)


def test_messages_are_decisions_and_alarms_in_the_order_of_the_journal(
    models: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inbox = fill(tmp_path / "in", {"0.png": 120})
    for number in range(1, 4):
        (inbox / f"{number}.png").write_bytes((inbox / "0.png").read_bytes())
    Commands(capsys)("sort", models["gated"], inbox, tmp_path / "out", *FAST, "--frozen-after", "3")
    found = messages(journal_of(tmp_path / "out"), 0, LocalDisk())
    assert [message.topic for message in found].count("decision") == 4
    (alarm,) = (message for message in found if message.topic == "alarm")
    assert "camera may be frozen" in alarm.said["reason"]
    assert [message.sequence for message in found] == sorted(message.sequence for message in found)
    assert messages(journal_of(tmp_path / "out"), found[1].sequence, LocalDisk()) == found[2:]


@pytest.mark.parametrize("topic", ["", "plant/#", "plant/+/a", "a" * 1001])
def test_a_topic_that_no_broker_takes_is_refused(topic: str) -> None:
    with pytest.raises(ValueError, match="topic: found"):
        Broker("localhost", 1883, topic)


def test_a_foreign_file_is_not_taken_for_how_far_was_told(tmp_path: Path) -> None:
    for content in ("", "[]", "{}", '{"sequence": "x", "time": 1}'):
        (tmp_path / "told.json").write_text(content)
        with pytest.raises(ValueError, match=r"told\.json: found something else"):
            Told(tmp_path / "told.json")


def test_the_command(broker: RealBroker, sort: Callable[..., None], tmp_path: Path) -> None:
    sort(a=120)
    (tmp_path / "secret").write_text(f"{PASSWORD}\n")
    broker.start()
    with broker.listener() as heard:
        command = [sys.executable, "-m", "gonogo", "mqtt", tmp_path / "out", "--host", "127.0.0.1", "--port"]
        options = [str(broker.port), "--topic", "plant/line1", "--user", "line", "--password-file", tmp_path / "secret"]
        process = subprocess.Popen([*command, *options], stderr=subprocess.PIPE)
        try:
            assert next_said(heard, "state") == "online"
            assert next_said(heard)["name"] == "a.png"
            until((tmp_path / "out" / ".gonogo" / "mqtt.json").exists)
            process.terminate()
            assert process.wait(60) == 0
        finally:
            process.kill()
            process.communicate()
        assert next_said(heard, "state") == "offline"


def test_told_over_tls_by_the_command(tls_broker: RealBroker, sort: Callable[..., None], tmp_path: Path) -> None:
    sort(a=120)
    (tmp_path / "secret").write_text(f"{PASSWORD}\n")
    options = {"host": "127.0.0.1", "topic": "plant/line1", "user": "line", "password-file": tmp_path / "secret"}
    options |= {key.replace("_", "-"): value for key, value in tls_of(tls_broker).items()}
    words = [word for key, value in options.items() for word in (f"--{key}", str(value))]
    with tls_broker.listener() as heard:
        command = [sys.executable, "-m", "gonogo", "mqtt", tmp_path / "out", *words]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            assert next_said(heard)["name"] == "a.png"
            process.terminate()
            assert process.stderr is not None
            assert process.stderr.read() == f"127.0.0.1:{tls_broker.tls_port}: connected\n"
        assert process.returncode == 0


@UNCLOSED
def test_a_broker_with_a_wrong_certificate_is_told_nothing_and_sorting_goes_on(
    tls_broker: RealBroker, sort: Callable[..., None], tmp_path: Path
) -> None:
    with tls_broker.listener() as heard:
        with publishing(tls_broker, tmp_path / "out", **tls_of(tls_broker, ca="other")) as told:
            until(lambda: bool(told))
            sort(a=120, b=0)
        with publishing(tls_broker, tmp_path / "out", **tls_of(tls_broker)):
            assert {next_said(heard)["name"] for _ in range(2)} == {"a.png", "b.png"}
    (why,) = told
    assert why.startswith(f"127.0.0.1:{tls_broker.tls_port}: the broker's certificate is refused: ")


@UNCLOSED
@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (lambda broker: tls_of(broker, cert=""), "without an answer; it may ask for a certificate of this client"),
        (
            lambda broker: tls_of(broker, cert="other-end"),
            "an answer; it may not accept the certificate of this client",
        ),
        (lambda broker: {**tls_of(broker), "host": "localhost"}, "certificate is refused: Hostname mismatch"),
        (lambda broker: {**tls_of(broker), "port": broker.port}, "TLS fails; does the broker speak it on this port?"),
        (lambda broker: {"port": broker.tls_port}, "without an answer; it may expect TLS"),
    ],
)
def test_who_does_not_fit_is_told_why(
    tls_broker: RealBroker,
    sort: Callable[..., None],
    tmp_path: Path,
    changes: Callable[[RealBroker], dict[str, Any]],
    says: str,
) -> None:
    sort(a=120)
    with tls_broker.listener() as heard, publishing(tls_broker, tmp_path / "out", **changes(tls_broker)) as told:
        until(lambda: bool(told))
        assert heard.empty()
    (why,) = told
    assert says in why
    assert not (tmp_path / "told.json").exists()


@pytest.mark.parametrize("option", ["ca_file", "cert_file"])
def test_a_file_that_may_not_be_read_is_named(option: str) -> None:
    import paho.mqtt.client  # noqa: F401  (which that account may not read either)

    with tempfile.TemporaryDirectory() as name:  # which others may enter, unlike those of pytest
        folder, file, account = Path(name), Path(name) / "u.pem", os.geteuid()
        file.touch()
        file.chmod(0)
        folder.chmod(0o755)
        broker, told = Broker("localhost", 8883, "plant/line1", **{option: str(file)}), Told(folder / "told.json")
        try:
            os.seteuid(account or 65_534)  # root may read all
            with pytest.raises(PermissionError) as caught:
                Publisher(broker, folder / "journal.db", told, LocalDisk(), pytest.fail)
        finally:
            os.seteuid(account)
    assert caught.value.filename == str(file)


def test_files_that_are_none_are_refused_at_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    make_certificates(tmp_path, "plant", "other")
    journal_of(tmp_path / "out").parent.mkdir(parents=True)
    none = tmp_path / "none.pem"
    for options, says in (
        ({"ca-file": none}, f"--ca-file: found no file {none}"),
        ({"ca-file": tmp_path / "plant.key"}, "--ca-file: found no certificate in"),
        ({"cert-file": none}, f"--cert-file: found no file {none}"),
        ({"cert-file": tmp_path / "plant.pem"}, "--cert-file: found no certificate in"),
        ({"cert-file": tmp_path / "plant.pem", "key-file": tmp_path / "other.key"}, "(KEY_VALUES_MISMATCH)"),
        ({"cert-file": tmp_path / "plant-locked.pem", "key-file": tmp_path / "plant-locked.key"}, "without a password"),
        (
            {"key-file": tmp_path / "plant.key"},
            "--key-file: found a key without a certificate; name its --cert-file, too",
        ),
    ):
        words = [word for key, value in options.items() for word in (f"--{key}", str(value))]
        assert main(["mqtt", str(tmp_path / "out"), "--topic", "plant/line1", *words]) == 2
        said = capfd.readouterr().err
        assert says in said and said.count("\n") == 1

"""What a line decided, told to a real MQTT broker: each at least once, in order, whoever is away for a while."""

from __future__ import annotations

import json
import queue
import shutil
import socket
import subprocess
import sys
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
    """Debian's mosquitto on loopback, with a name and a password."""

    def __init__(self, folder: Path, port: int) -> None:
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
        (folder / "mosquitto.conf").write_text(settings)
        self.port = port
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


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[RealBroker]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (tmp_path / "broker").mkdir()
    found = RealBroker(tmp_path / "broker", port)
    yield found
    found.stop()


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

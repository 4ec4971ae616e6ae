"""What a line decided, told to an MQTT broker by a process of its own: it reads the journal and never holds up the sorter.

Each message is told at least once, in the order of the journal: what the broker has not acknowledged is told again, after a
restart of either side too. ``sequence`` and ``id`` tell a repeated message from a new one.
"""

from __future__ import annotations

import heapq
import itertools
import json
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gonogo.line.disk import Disk
from gonogo.line.journal import Journal
from gonogo.line.segments import closed_segments, read_journal
from gonogo.storage import write_atomically

if TYPE_CHECKING:
    from paho.mqtt.client import Client

_TOGETHER = 100  # messages that are under way at a time
_PAUSE = 0.5  # seconds between two looks at the journal
_LONGEST_RETRY = 30  # seconds between two tries to reach the broker, at most
_KEEPALIVE = 30  # seconds of silence after which a broker and its client ask each other
_NOT_TOLD = ("batch", "place")


@dataclass(frozen=True)
class Message:
    """One message: ``sequence`` is that of its row in the journal, ``topic`` its last level."""

    sequence: int
    topic: str
    said: dict[str, Any]


@dataclass(frozen=True)
class Broker:
    """Where messages go.

    Attributes
    ----------
    host, port : str, int
        The broker.
    topic : str
        Above ``decision``, ``alarm`` and ``state``.
    user, password : str
        Empty: none.
    tls : bool
        Whether the connection is encrypted and the broker's certificate and name are checked; so too with one of the files.
    ca_file : str
        Certificates (PEM) of the authorities that the broker's may come from; empty: those of the system.
    cert_file, key_file : str
        Certificate (PEM) by which the broker knows this client, and its key, without a password; empty: none, and the key is in
        the file of the certificate.
    """

    host: str
    port: int
    topic: str
    user: str = ""
    password: str = ""
    tls: bool = False
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""

    @property
    def is_encrypted(self) -> bool:
        """Whether the connection is."""
        return self.tls or bool(self.ca_file or self.cert_file)

    def __post_init__(self) -> None:
        if not self.topic or any(sign in self.topic for sign in "#+\0") or len(self.topic.encode()) > 1000:
            raise ValueError(f"topic: found {self.topic!r}, expected levels such as plant/line1, without # and +")
        if self.key_file and not self.cert_file:
            raise ValueError("key_file: found a key without a certificate; name its cert_file, too")


def messages(journal: Path, after: int, disk: Disk) -> list[Message]:
    """Return the next decisions and alarms of a journal, at most as many as are told together.

    Raises
    ------
    JournalError, FileNotFoundError
        It cannot be read, or is not there.
    """
    while True:
        closed = closed_segments(journal, disk)
        with ExitStack() as stack:
            files = [stack.enter_context(read_journal(path, disk)) for path in (*closed, journal)]
            found = list(itertools.islice((new for file in files for new in _messages(file, after)), _TOGETHER))
        # Where a month was closed meanwhile, its file may have been missed between its two names.
        if closed == closed_segments(journal, disk):
            return found


def _messages(file: Journal, after: int) -> Iterator[Message]:
    decisions = (
        Message(row["sequence"], "decision", {key: value for key, value in row.items() if key not in _NOT_TOLD})
        for row in file.decisions(after=after)
    )
    alarms = (
        Message(
            row.sequence,
            "alarm",
            {
                "sequence": row.sequence,
                "time": row.time,
                "kind": row.kind,
                "id": row.id,
                "name": row.name,
                "reason": row.body.get("reason", ""),
            },
        )
        for row in file.rows("ALARM", "LOST", after=after)
    )
    return heapq.merge(decisions, alarms, key=lambda message: message.sequence)


class Told:
    """How far a journal has been told, kept in a small file.

    Parameters
    ----------
    path : pathlib.Path
        The file; made where it does not exist.

    Raises
    ------
    ValueError
        It is no such file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.sequence, self.time = 0, ""
        if path.exists():
            try:
                kept = json.loads(path.read_text(encoding="utf-8"))
                self.sequence, self.time = int(kept["sequence"]), str(kept["time"])
            except (ValueError, KeyError, TypeError):
                raise ValueError(f"{path}: found something else than how far was told; remove it to tell all") from None

    def advance(self, message: Message) -> None:
        """Remember, on the disk, that all up to a message was told."""
        self.sequence, self.time = message.sequence, str(message.said["time"])
        write_atomically(self._path, json.dumps({"sequence": self.sequence, "time": self.time}))

    def belongs_to(self, journal: Path, disk: Disk) -> bool:
        """Whether a journal has that message: one that was made anew begins again."""
        if self.sequence == 0:
            return True
        found = next(iter(messages(journal, self.sequence - 1, disk)), None)
        return found is not None and (found.sequence, found.said["time"]) == (self.sequence, self.time)

    def begin(self) -> None:
        """Begin again."""
        self.sequence, self.time = 0, ""


class Publisher:
    """Tells a broker what a journal says, for ever; it reconnects by itself.

    Parameters
    ----------
    broker : Broker
        Where to.
    journal, told : pathlib.Path, Told
        What, and how far it was told.
    disk : Disk
        Of the machine.
    tell : callable
        Gets lines for people.

    Raises
    ------
    ValueError, FileNotFoundError
        paho-mqtt is not installed; or a file for TLS is missing, or is none.
    """

    def __init__(self, broker: Broker, journal: Path, told: Told, disk: Disk, tell: Callable[[str], None]) -> None:
        self._broker, self._journal, self._told, self._disk, self._tell = broker, journal, told, disk, tell
        self._connected, self._answered, self._changed = False, False, threading.Condition()
        self._acknowledged: set[int] = set()
        self._client = self._make_client()
        self._said = ""

    def _make_client(self) -> Client:
        try:
            from paho.mqtt.client import Client
            from paho.mqtt.enums import CallbackAPIVersion
        except ImportError:
            raise ValueError("MQTT needs paho-mqtt; install it, or gonogo with the extra 'mqtt'") from None
        client = Client(CallbackAPIVersion.VERSION2)
        client.will_set(f"{self._broker.topic}/state", "offline", qos=1, retain=True)
        client.reconnect_delay_set(1, _LONGEST_RETRY)
        if self._broker.user:
            client.username_pw_set(self._broker.user, self._broker.password)
        if self._broker.is_encrypted:
            _encrypt(client, self._broker)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_connect_fail = lambda *_: self._say(_what_failed(sys.exception()))
        client.on_publish = self._on_publish
        return client

    def run(self, is_stopped: Callable[[], bool]) -> None:
        """Tell until the word to stop."""
        self._client.connect_async(self._broker.host, self._broker.port, _KEEPALIVE)
        self._client.loop_start()
        try:
            checked = False
            while not is_stopped():
                with self._changed:
                    if not self._connected:
                        self._changed.wait(_PAUSE)
                        continue
                try:
                    if not checked and not self._told.belongs_to(self._journal, self._disk):
                        self._tell("the journal is another one than was told of; telling it from its beginning")
                        self._told.begin()
                    checked = True
                    found = messages(self._journal, self._told.sequence, self._disk)
                except FileNotFoundError:
                    self._say("no journal yet; waiting for gonogo sort to make it", str(self._journal))
                    found = []
                if found and self._publish(found, is_stopped):
                    self._told.advance(found[-1])
                if len(found) < _TOGETHER:
                    with self._changed:
                        self._changed.wait(_PAUSE)
        finally:
            self._end()

    def _publish(self, found: list[Message], is_stopped: Callable[[], bool]) -> bool:
        """Return whether the broker has acknowledged all; where the connection breaks meanwhile they are sent once more."""
        with self._changed:
            self._acknowledged.clear()
        sent = {
            self._client.publish(f"{self._broker.topic}/{message.topic}", json.dumps(message.said), qos=1).mid
            for message in found
        }
        with self._changed:
            while not sent <= self._acknowledged and not is_stopped():
                self._changed.wait(_PAUSE)
            return sent <= self._acknowledged

    def _end(self) -> None:
        if self._connected:
            with_state = self._client.publish(f"{self._broker.topic}/state", "offline", qos=1, retain=True)
            with self._changed:
                self._changed.wait_for(lambda: with_state.mid in self._acknowledged, _PAUSE)
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self._answered = True
        if reason.is_failure:
            self._say(f"the broker refuses: {reason}")
            return
        client.publish(f"{self._broker.topic}/state", "online", qos=1, retain=True)
        self._say("connected")
        with self._changed:
            self._connected = True
            self._changed.notify_all()

    def _on_disconnect(self, _client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        with self._changed:
            was, self._connected = self._connected, False
        answered, self._answered = self._answered, False
        if was and reason.is_failure:
            self._say(f"the connection broke: {reason}")
        elif not answered and reason.is_failure:
            self._say(f"the broker ends the connection without an answer; {self._perhaps()}")

    def _perhaps(self) -> str:
        if not self._broker.is_encrypted:
            return "it may expect TLS"
        known = self._broker.cert_file
        return (
            "it may not accept the certificate of this client"
            if known
            else "it may ask for a certificate of this client"
        )

    def _on_publish(self, _client: Client, _data: Any, number: int, _reason: Any, _properties: Any) -> None:
        with self._changed:
            self._acknowledged.add(number)
            self._changed.notify_all()

    def _say(self, text: str, about: str = "") -> None:
        """Say something, of the broker where nothing else is named, once, however often it is tried."""
        said = f"{about or f'{self._broker.host}:{self._broker.port}'}: {text}"
        if said != self._said:
            self._tell(said)
        self._said = said


def _encrypt(client: Client, broker: Broker) -> None:
    """Have a client use TLS; whatever is wrong with a file is told with its name."""
    for name, file in (("ca_file", broker.ca_file), ("cert_file", broker.cert_file), ("key_file", broker.key_file)):
        if file and not Path(file).is_file():
            raise FileNotFoundError(f"{name}: found no file {file}")
        if file:
            Path(file).open("rb").close()  # whose error names the file: that of OpenSSL does not
    try:
        if broker.ca_file:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(broker.ca_file)
    except ssl.SSLError:
        raise ValueError(
            f"ca_file: found no certificate in {broker.ca_file}, expected the authority's, as PEM"
        ) from None
    try:
        # With an empty password OpenSSL asks nobody for one.
        client.tls_set(broker.ca_file or None, broker.cert_file or None, broker.key_file or None, keyfile_password="")
    except ssl.SSLError as error:
        key = f"the key in {broker.key_file or broker.cert_file}"
        raise ValueError(
            f"cert_file: found no certificate in {broker.cert_file} that goes with {key}, expected PEM, the key without a "
            f"password ({error.reason or error})"
        ) from None


def _what_failed(error: BaseException | None) -> str:
    """Why a broker could not be reached."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the broker's certificate is refused: {error.verify_message}"
    why = error.strerror if isinstance(error, OSError) else None
    # A broker without TLS takes its first message for a damaged one, and breaks the connection.
    if isinstance(error, (ssl.SSLError, ConnectionResetError)):
        return f"TLS fails; does the broker speak it on this port? ({why or error})"
    return f"no broker answers ({why or error})"

"""``gonogo mqtt``: what a line decided, told to an MQTT broker."""

from __future__ import annotations

import argparse
import functools
import signal
from pathlib import Path

from gonogo.cli.arguments import Commands, add_command, add_common, whole_number
from gonogo.cli.failures import DONE, INTERRUPTED, check_writable
from gonogo.cli.output import note
from gonogo.cli.sort import stop_signals
from gonogo.line.files import LocalDisk
from gonogo.line.places import find_journal
from gonogo.publishing import Broker, Publisher, Told

DESCRIPTION = """
Tell an MQTT broker each decision (TOPIC/decision) and each alarm (TOPIC/alarm) of a line, as JSON, with QoS 1; TOPIC/state is
'online' or 'offline' and retained. Runs beside the sorter until stopped, reads the journal alone, and never holds the sorter up:
while no broker answers, messages wait in the journal. How far was told is kept in a small file; each message comes at least
once and in order, 'sequence' and 'id' tell a repeated one. Needs paho-mqtt (the extra 'mqtt').

With --tls or --ca-file the connection is encrypted (TLS), and a broker is told nothing before its certificate and name were
checked. What is wrong is said once; the next try follows by itself.
"""
EXAMPLES = """
gonogo mqtt sorted/ --host broker.plant --topic plant/line1
gonogo mqtt sorted/ --host broker.plant --topic plant/line1 --ca-file plant.pem --user line1 --password-file secret.txt
gonogo mqtt sorted/ --host broker.plant --topic plant/line1 --ca-file plant.pem --cert-file line1.pem --key-file line1.key
"""


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "mqtt",
        run,
        summary="tell an MQTT broker what was decided",
        usage="OUT --topic TOPIC",
        description=DESCRIPTION,
        examples=EXAMPLES,
    )
    parser.add_argument("folder", metavar="OUT", help="folder that gonogo sort fills")
    parser.add_argument("--topic", required=True, metavar="TOPIC", help="levels above decision, alarm and state")
    parser.add_argument("--host", default="localhost", metavar="NAME", help="the broker")
    parser.add_argument(
        "--port", type=whole_number(1, 65_535), metavar="N", help="its port (default: 1883, with TLS 8883)"
    )
    parser.add_argument("--user", default="", metavar="NAME", help="name that the broker knows (default: none)")
    parser.add_argument("--password-file", metavar="FILE", help="file whose first line is the password")
    parser.add_argument(
        "--tls", action="store_true", help="encrypt, and check the broker by the authorities that the system knows"
    )
    parser.add_argument(
        "--ca-file", default="", metavar="FILE", help="encrypt, and check it by this authority, PEM (default: as --tls)"
    )
    parser.add_argument(
        "--cert-file", default="", metavar="FILE", help="encrypt, and show the broker this, PEM (default: nothing)"
    )
    parser.add_argument(
        "--key-file", default="", metavar="FILE", help="its key, without a password (default: in --cert-file)"
    )
    parser.add_argument("--journal", metavar="FILE", help="the journal (default: that of the last start)")
    parser.add_argument("--told", metavar="FILE", help="how far was told (default: mqtt.json beside the journal)")
    add_common(parser, threads=False)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    password = ""
    if args.password_file is not None:
        password = next(iter(Path(args.password_file).read_text(encoding="utf-8").splitlines()), "")
    files = {"ca_file": args.ca_file, "cert_file": args.cert_file, "key_file": args.key_file}
    port = args.port or (8883 if args.tls or any(files.values()) else 1883)
    broker = Broker(args.host, port, args.topic, args.user, password, args.tls, **files)
    if not Path(args.folder).is_dir():
        raise FileNotFoundError(f"OUT: found no folder {args.folder}; expected one that gonogo sort fills")
    journal = find_journal(Path(args.folder), LocalDisk(), args.journal)
    if args.told is None and not journal.parent.is_dir():
        raise FileNotFoundError(f"OUT: found no {journal.parent}; run gonogo sort first, or name a file with --told")
    told = Told(check_writable("told", journal.with_name("mqtt.json") if args.told is None else args.told))
    with stop_signals() as stopped:
        Publisher(broker, journal, told, LocalDisk(), functools.partial(note, args)).run(lambda: bool(stopped))
    return INTERRUPTED if signal.SIGINT in stopped else DONE

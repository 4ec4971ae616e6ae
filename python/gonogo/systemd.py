"""What systemd wants of a service: a word that it is ready, that it gets on, that it stops; and the file that describes it.

Nothing here is needed where systemd is not: without ``NOTIFY_SOCKET`` the words are said to nobody.
"""

from __future__ import annotations

import os
import re
import socket
import string
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_UNIT = string.Template("""\
# Written by gonogo service write; make it anew after a change of the command, docs/line.md explains it.
[Unit]
Description=$description
RequiresMountsFor=$mounts
# Five ends within ten minutes are no hiccup: a person has to look.
StartLimitIntervalSec=10min
StartLimitBurst=5

[Service]
Type=notify
NotifyAccess=main
ExecStart=$command
User=$user
WorkingDirectory=/
Restart=on-failure
RestartSec=5s
# Wrong use or bad input, refused (self-test, damaged model or journal, failed fsync), not certified, stopped by an
# alarm: no restart mends that. A full disk is waited for.
RestartPreventExitStatus=2 3 4 5
# Every finished look at the inbox and every finished batch is told; a sorter that says nothing for so long hangs.
WatchdogSec=$watchdog
# What a crash left is finished before the service is ready.
TimeoutStartSec=15min
# SIGTERM finishes the batch in hand; whatever comes after it loses no picture.
TimeoutStopSec=2min

# It reads its program and its model, and writes here.
ProtectSystem=strict
ReadWritePaths=$writable
$homes
PrivateTmp=yes
PrivateDevices=yes
DevicePolicy=closed
UMask=0027

# It knows no network; its only socket is the one to systemd.
PrivateNetwork=yes
IPAddressDeny=any
RestrictAddressFamilies=AF_UNIX

# It asks for no rights.
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
PrivateUsers=yes
PrivateIPC=yes
RemoveIPC=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
KeyringMode=private
ProtectProc=invisible
ProcSubset=pid
ProtectClock=yes
ProtectHostname=yes
ProtectControlGroups=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
# Off: the engine, oneDNN, writes machine code for this very processor into memory and runs it.
MemoryDenyWriteExecute=no

[Install]
WantedBy=multi-user.target
""")
# Folders that the service does not see unless they are named.
_HIDDEN = tuple(map(Path, ("/home", "/root", "/run/user", "/tmp", "/var/tmp")))
_PLAIN = re.compile(r"[\w./@+,=-]+", re.ASCII)
_SPECIAL = {"\\": r"\\", '"': r"\"", "%": "%%"}


def notify(*words: str) -> None:
    """Tell systemd something, such as ``READY=1``, ``WATCHDOG=1`` or ``STATUS=...``; nobody waits for it.

    A word that does not arrive stops no work: systemd then does what it does with a service that is silent.
    """
    name = os.environ.get("NOTIFY_SOCKET", "")
    if not name.startswith(("/", "@")):
        return
    address = name.replace("@", "\0", 1) if name.startswith("@") else name
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.sendto("\n".join(words).encode("utf-8", "backslashreplace"), socket.MSG_DONTWAIT, address)


@dataclass(frozen=True)
class Service:
    """What the unit of a sorter says; all paths are absolute.

    Attributes
    ----------
    command : sequence of str
        Program and arguments.
    user : str
        The account it runs as.
    writable, readable : sequence of pathlib.Path
        Folders it writes to; files and folders it only reads.
    watchdog : int
        Seconds of silence after which systemd ends and restarts it.
    """

    command: Sequence[str]
    user: str
    writable: Sequence[Path]
    readable: Sequence[Path]
    watchdog: int

    def unit(self) -> str:
        """Return the text of the unit.

        Raises
        ------
        ValueError
            A path or argument cannot stand in a unit.
        """
        for text in (*self.command, *map(str, (*self.writable, *self.readable))):
            if not text.isprintable():
                raise ValueError(f"found {text!r}, which no unit can hold; rename it, without control characters")
        # Each argument is one word; "$" would name a variable.
        command = " ".join(_word(text).replace("$", "$$") for text in self.command)
        return _UNIT.substitute(
            description=f"gonogo sorts {_text(self.writable[0])}",
            command=command,
            user=self.user,
            watchdog=self.watchdog,
            mounts=_words(self.writable),
            writable=_words(self.writable),
            homes=self._homes(),
        )

    def _homes(self) -> str:
        """Homes and folders for temporary files are not seen, but for what is needed of them."""
        binds = [
            f"{key}={_word(str(path), colons=True)}"
            for key, paths in (("BindPaths", self.writable), ("BindReadOnlyPaths", self.readable))
            for path in paths
            if any(hidden in path.parents for hidden in _HIDDEN)
        ]
        return "\n".join([f"ProtectHome={'tmpfs' if binds else 'yes'}", *binds])


def _words(paths: Sequence[Path]) -> str:
    return " ".join(_word(str(path)) for path in paths)


def _word(text: str, *, colons: bool = False) -> str:
    """One word as a unit writes it: quoted where needed; "%" would be a specifier, ":" would end a path to bind."""
    written = "".join(_SPECIAL.get(sign, sign) for sign in text)
    written = written.replace(":", r"\:") if colons else written
    return written if _PLAIN.fullmatch(text) else f'"{written}"'


def _text(path: Path) -> str:
    return str(path).replace("%", "%%")


def writable_folders(inbox: Path, out: Path, journal: Path, program: Sequence[Path]) -> list[Path]:
    """Return the folders that a sorter writes to, as few as possible.

    Each becomes a mount of its own, and nothing can be renamed from one mount to another: where inbox and output have a folder
    in common that holds nothing of ``program``, it is that one. Otherwise all pictures are copied.
    """
    common = Path(os.path.commonpath([inbox, out]))
    same = inbox.stat().st_dev == out.stat().st_dev
    holds = any(common == path or common in path.parents for path in program)
    folders = [common] if same and common != Path("/") and not holds else [inbox, out]
    return folders if any(path in journal.parents for path in folders) else [*folders, journal.parent]

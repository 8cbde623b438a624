"""What people write without us: aiosmtpd, and two files for each recipient, on disk before 250.

    python3 aiosmtpd/spool.py PORT FOLDER    (python3-aiosmtpd)
"""
import os
import signal
import sys
import uuid

from aiosmtpd.controller import Controller


def write(path, content):
    with open(path + ".tmp", "wb") as f:
        f.write(content)
        f.flush()
        os.fsync(f.fileno())
    os.rename(path + ".tmp", path)


class Spool:
    def __init__(self, folder):
        self.folder = folder

    async def handle_DATA(self, server, session, envelope):
        for rcpt in envelope.rcpt_tos:
            name = os.path.join(self.folder, uuid.uuid4().hex)
            write(name + ".txt", envelope.content)
            control = f"[system]\r\ntxt={name}.txt\r\n[from]\r\nsmtp={envelope.mail_from}\r\n[to]\r\naddress={rcpt}\r\n"
            write(name + ".ctl", control.encode("utf-8", "surrogateescape"))
        return "250 2.0.0 OK"


port, folder = sys.argv[1:]
controller = Controller(Spool(folder), hostname="127.0.0.1", port=int(port))
controller.start()
signal.sigwait([signal.SIGTERM, signal.SIGINT])

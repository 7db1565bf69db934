"""Runs shell text on the virtual machine for tests, which cannot enter its namespaces from outside as they do with a container.

Questions come by a serial port of the machine, so neither its network nor its SSH server has a part in it. A question is a line
`ask ID BYTES` and the shell text. Its answer is a line `end ID CODE BYTES BYTES` and what the shell wrote to its two outputs; until
then a line `wait` comes every second, by which whoever asks knows that the machine lives.
"""
import glob
import os
import select
import subprocess
import time

ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}


class Gone(Exception):
    """Whoever asked has gone."""


def read(port, count):
    """Returns so many bytes; the port is at its end while nobody is at the other side."""
    data = b""
    while len(data) < count:
        more = os.read(port, count - len(data))
        if not more:
            raise Gone
        data += more
    return data


def question(port):
    line = b""
    while not line.endswith(b"\n"):
        line += read(port, 1)
    word, number, size = line.split()
    if word != b"ask":
        raise ValueError(line)
    return number, read(port, int(size))


def write(port, data):
    while data:
        # Nobody reads any more when this does not go on.
        if not select.select([], [port], [], 10)[1]:
            raise Gone
        data = data[os.write(port, data):]


def answer(port, number, script):
    # A session of its own, by which the snapshot knows its own processes.
    shell = subprocess.Popen(["sh", "-s"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             env=ENVIRONMENT, cwd="/", start_new_session=True)
    given = script
    while True:
        try:
            output, errors = shell.communicate(given, timeout=1)
            break
        except subprocess.TimeoutExpired:
            given = None
            write(port, b"wait\n")
    head = b"end %s %d %d %d\n" % (number, shell.returncode, len(output), len(errors))
    write(port, head + output + errors)


def main():
    port = os.open(glob.glob("/dev/vport*p1")[0], os.O_RDWR)
    while True:
        try:
            answer(port, *question(port))
        except (Gone, ValueError, BrokenPipeError):
            time.sleep(0.05)


main()

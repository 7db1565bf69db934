"""Runs shell text on the virtual machine for tests, which cannot enter its namespaces from outside as they do with a container.

Questions come by a serial line of the machine, so neither its network nor its SSH server has a part in it. A question is lines
`ask ID`, `text ID HEX` for each piece of the shell text, and `run ID`; all but the last are answered with `more ID`. So what was said
to a machine that booted is not run by then, and no piece is longer than what the line holds. The answer is a line
`end ID CODE BYTES BYTES` and what the shell wrote to its two outputs, in parts, each but the first after a line `go ID`; until then a
line `wait` comes every second, by which whoever asks knows that the machine lives.
"""
import os
import select
import signal
import subprocess
import time

LINE = "/dev/ttyS0"
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}
# Seconds after which nobody waits any more for an answer.
ANSWER_MAX = 130
# Seconds in which the line takes what is written. Whoever asks next waits longer than that.
WRITTEN_WITHIN = 5
# Bytes that the line takes without a stop.
PIECE = 512
# Bytes of an answer that are written before they are asked for: half of what the pipe behind the line holds. The line does not always
# notice that a full one has room again.
PART = 32 << 10


class Gone(Exception):
    """Whoever asked has gone."""


def lines(port):
    data = b""
    while True:
        select.select([port], [], [])
        more = os.read(port, 4096)
        if not more:
            raise OSError("the line is dead")
        *whole, data = (data + more).split(b"\n")
        yield from whole


def write(port, data):
    while data:
        if not select.select([], [port], [], WRITTEN_WITHIN)[1]:
            raise Gone
        data = data[os.write(port, data[:PIECE]):]


def answer(port, script):
    """Runs it, and returns its exit code and two outputs."""
    # A session of its own, by which the snapshot knows its own processes.
    shell = subprocess.Popen(["sh", "-s"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             env=ENVIRONMENT, cwd="/", start_new_session=True)
    given = script
    for _ in range(ANSWER_MAX):
        try:
            output, errors = shell.communicate(given, timeout=1)
            return shell.returncode, output, errors
        except subprocess.TimeoutExpired:
            given = None
            write(port, b"wait\n")
    os.killpg(shell.pid, signal.SIGKILL)
    raise Gone


def main():
    port = os.open(LINE, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    subprocess.run(["stty", "raw", "-echo"], stdin=port, check=True)
    asked, script, left = None, b"", b""
    for line in lines(port):
        try:
            match line.split():
                case [b"ask", number]:
                    asked, script, left = number, b"", b""
                    write(port, b"\nmore %s\n" % number)
                case [b"text", number, piece] if number == asked:
                    script += bytes.fromhex(piece.decode())
                    write(port, b"\nmore %s\n" % number)
                case [b"run", number] if number == asked:
                    code, output, errors = answer(port, script)
                    left = output + errors
                    # An answer that somebody did not wait for may have ended within a line.
                    write(port, b"\nend %s %d %d %d\n" % (number, code, len(output), len(errors)))
                    part, left = left[:PART], left[PART:]
                    write(port, part)
                case [b"go", number] if number == asked:
                    part, left = left[:PART], left[PART:]
                    write(port, part)
        except (Gone, ValueError, BrokenPipeError):
            asked = None
            time.sleep(0.05)


main()

"""terminal.py COLUMNS COMMAND...: runs a command with a terminal as standard error.

Prints what came there, with a line for each time that the bar was drawn.
"""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios


def main():
    columns, command = int(sys.argv[1]), sys.argv[2:]
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 25, columns, 0, 0))
    run = subprocess.Popen(command, stdout=theirs, stderr=theirs)
    os.close(theirs)
    text = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # how Linux says that the other end is closed
            break
        if not piece:
            break
        text += piece
    sys.stdout.write(text.decode().replace("\r\n", "\n").replace("\r\033[K", "\n"))
    return run.wait()


if __name__ == "__main__":
    sys.exit(main())

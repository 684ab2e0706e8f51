"""limit_files.py BYTES COMMAND...: runs a command whose files cannot be longer.

What it is for is a full disk, which looks the same to a program.
"""
import os
import resource
import signal
import sys

limit = int(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
os.execvp(sys.argv[2], sys.argv[2:])

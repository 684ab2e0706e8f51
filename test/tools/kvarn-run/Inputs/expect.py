"""expect.py CODE COMMAND...: runs a command, which must end with this code.

Prints what it wrote to both streams.
"""
import subprocess
import sys

wanted = int(sys.argv[1])
run = subprocess.run(
    sys.argv[2:], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
)
sys.stdout.write(run.stdout)
if run.returncode != wanted:
    sys.exit(f"exit code {run.returncode}, expected {wanted}")

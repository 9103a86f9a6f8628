"""Lets the test files import what they share, whatever way pytest imports them."""

import signal
import sys
from pathlib import Path

# What a shell starts in the background ignores Ctrl-C, and so would whatever the tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_HERE = Path(__file__).resolve().parent
# What tests share, the contract of every device, and what makes pages, which is tested too.
sys.path += [str(_HERE), *(str(_HERE.parents[1] / folder) for folder in ("cocotb_tests", "docs"))]

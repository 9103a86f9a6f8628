"""A commit subject names the part it touches and has at most 72 characters (commit-msg hook)."""

import sys
from pathlib import Path

_LIMIT = 72


def main() -> int:
    """Check the message in the file that git names; 1 if it is refused."""
    subject = Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()[0]
    if len(subject) > _LIMIT:
        print(f"the subject must have at most {_LIMIT} characters, not {len(subject)}: {subject}")
        return 1
    if not subject.startswith(("Merge ", "Revert ", "fixup! ", "squash! ")) and ": " not in subject:
        print(f"the subject must begin with the part it touches ('kernel: ...'), not {subject!r}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

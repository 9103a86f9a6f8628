"""``python -m uintr``."""

from uintr.entry import main

__all__: list[str] = []

if __name__ == "__main__":
    raise SystemExit(main())

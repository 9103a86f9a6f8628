"""Where the C sources are that come with this package: headers, start-up code, linker script."""

from pathlib import Path

__all__ = [
    "include_folder",
    "library_sources",
    "linker_script",
    "sources_folder",
]


def sources_folder() -> Path:
    """``sw_model/compiled`` of the checkout, or the copy of it that an installed package has."""
    here = Path(__file__).resolve().parent
    checkout = here.parents[1] / "compiled"
    return checkout if (checkout / "link.ld").is_file() else here / "sources"


def include_folder() -> Path:
    """Folder of the headers that are written by hand."""
    return sources_folder() / "include"


def linker_script() -> Path:
    """The script that places a program in memory."""
    return sources_folder() / "link.ld"


def library_sources() -> list[Path]:
    """Start-up code and library. What a program does not use is not in it."""
    folder = sources_folder() / "lib"
    return sorted([*folder.glob("*.c"), *folder.glob("*.S")])

"""The boards: pins, clock, default configuration. One entry a board, and no board anywhere else.

Pins of the boards known to amaranth-boards come from there; an entry names its platform class. The
platform is imported only when a bitstream is built.
"""

from dataclasses import dataclass

from rel4.machine.device import DeviceConfig
from uintr.checks import check_range
from uintr.registers import ALL_FEATURES, MAX_HARTS, Feature, Flavour

__all__ = ["BOARDS", "MIN_BAUD", "Board", "Target", "find_board"]

MIN_BAUD = 115_200
"""At this rate the longest command, of 255 words, takes 89 ms; the bridge gives up at 100 ms."""


@dataclass(frozen=True, kw_only=True)
class Board:
    """A board.

    Parameters
    ----------
    name : on the command line
    title : for people
    platform : "module:class" of its Amaranth platform
    toolchain : place-and-route program, as `uintr_fpga.build` knows it
    clock_hz : of the platform's default clock
    harts, receivers, table_pages, features : default configuration
    baud : default bit rate
    programmer : name of the board in openFPGALoader
    """

    name: str
    title: str
    platform: str
    toolchain: str
    clock_hz: int
    harts: int
    receivers: int
    table_pages: int
    features: Feature = ALL_FEATURES
    baud: int = 1_000_000
    programmer: str


BOARDS = (
    Board(
        name="ulx3s",
        title="ULX3S 85F (ECP5)",
        platform="amaranth_boards.ulx3s:ULX3S_85F_Platform",
        toolchain="ecp5",
        clock_hz=25_000_000,
        harts=4,
        receivers=512,
        table_pages=16,
        programmer="ulx3s",
    ),
    Board(
        name="icebreaker",
        title="iCEBreaker (iCE40 UP5K)",
        platform="amaranth_boards.icebreaker:ICEBreakerPlatform",
        toolchain="ice40",
        clock_hz=12_000_000,
        harts=1,
        receivers=16,
        table_pages=1,
        # With all extensions the design has 13 % more logic cells than the device.
        features=Feature.SUPERVISOR,
        programmer="ice40_generic",
    ),
    Board(
        name="tangnano9k",
        title="Tang Nano 9K (Gowin GW1NR-9)",
        platform="amaranth_boards.tang_nano_9k:TangNano9kPlatform",
        toolchain="gowin",
        clock_hz=27_000_000,
        harts=1,
        receivers=32,
        table_pages=1,
        programmer="tangnano9k",
    ),
)


def find_board(name: str) -> Board:
    """The board called ``name``. Raises ValueError with the names there are."""
    for board in BOARDS:
        if board.name == name:
            return board
    raise ValueError(
        f"board must be one of {', '.join(board.name for board in BOARDS)}, not {name!r}"
    )


@dataclass(frozen=True, kw_only=True)
class Target:
    """A board in one configuration."""

    board: Board
    config: DeviceConfig
    baud: int

    @classmethod
    def of(
        cls,
        name: str,
        *,
        harts: int | None = None,
        receivers: int | None = None,
        table_pages: int | None = None,
        features: Feature | None = None,
        baud: int | None = None,
        flavour: Flavour = Flavour.RISCV,
    ) -> "Target":
        """The board called ``name``, in its default configuration but for what is given."""
        board = find_board(name)
        if baud is not None and baud < MIN_BAUD:
            raise ValueError(
                f"baud must be at least {MIN_BAUD}, so that commands end in time, not {baud!r}"
            )
        if harts is not None:  # the model alone has more than gateware
            check_range("harts", harts, 1, MAX_HARTS)
        config = DeviceConfig(
            harts=board.harts if harts is None else harts,
            receivers=board.receivers if receivers is None else receivers,
            table_pages=board.table_pages if table_pages is None else table_pages,
            features=board.features if features is None else features,
            flavour=flavour,
        )
        return cls(board=board, config=config, baud=board.baud if baud is None else baud)

    @property
    def clock_hz(self) -> int:
        """Clock of the board."""
        return self.board.clock_hz

    @property
    def name(self) -> str:
        """Name of this configuration in file names."""
        config = self.config
        if config.flavour is Flavour.INTEL:
            return f"{self.board.name}-intel-{config.harts}x{config.table_pages}"
        return f"{self.board.name}-{config.harts}x{config.receivers}x{config.table_pages}"

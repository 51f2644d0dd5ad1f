"""A wall clock that jumps, for the processes that are started with it; see clock_shift.c."""

import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

_SOURCE = Path(__file__).with_name("clock_shift.c")


@dataclass(frozen=True, slots=True)
class ShiftedClock:
    """``file`` holds how many seconds it is ahead, ``library`` is preloaded."""

    file: Path
    library: Path

    @classmethod
    def build(cls, folder: Path) -> "ShiftedClock":
        """One that is right so far. Raises CalledProcessError, FileNotFoundError: no compiler."""
        clock = cls(folder / "clock-shift", folder / "clock_shift.so")
        clock.file.write_bytes(struct.pack("<q", 0))
        build = ["cc", "-O2", "-shared", "-fPIC", "-o", str(clock.library), str(_SOURCE), "-ldl"]
        subprocess.run(build, check=True)
        return clock

    @property
    def environment(self) -> dict[str, str]:
        """Of a process whose clock it is."""
        return {"LD_PRELOAD": str(self.library), "CLOCK_SHIFT_FILE": str(self.file)}

    def jump_to(self, seconds_ahead: int) -> None:
        """From the next look at the clock on."""
        with self.file.open("r+b") as file:
            file.write(struct.pack("<q", seconds_ahead))

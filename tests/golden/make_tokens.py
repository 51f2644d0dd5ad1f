"""``python -m tests.golden.make_tokens``: tokens that Python and Java must judge alike, anew.

Each line of tests/golden/tokens.txt: accepted keys, a token in hex, and what is said of it: ``ok``
or the reason of the refusal. Keys and MAC are committed on purpose: nothing else has them.
"""

from pathlib import Path

from schemas.records import Served
from schemas.served_token import TokenKeys

TOKENS = Path(__file__).with_name("tokens.txt")
OLD, NEW = "1:" + "ab" * 16, "200:" + "cd" * 32
SERVED = Served("r-1", "7", "deepfm", "v1", 0.25, 0.5, "0" * 16, ("ad:7",), b"inputs")


def lines() -> list[str]:
    """A rotation from OLD to NEW step by step, and forgeries."""
    old, new = TokenKeys.parse(OLD).sign(SERVED), TokenKeys.parse(NEW).sign(SERVED)
    forged = TokenKeys.parse("1:" + "ee" * 16).sign(SERVED)
    cases = [
        (OLD, old, "ok"),
        (OLD, new, "forged-token: unknown key id 200"),
        (f"{OLD},{NEW}", old, "ok"),
        (f"{OLD},{NEW}", new, "ok"),
        (f"{NEW},{OLD}", old, "ok"),
        (f"{NEW},{OLD}", new, "ok"),
        (NEW, new, "ok"),
        (NEW, old, "forged-token: unknown key id 1"),
        (OLD, forged, "forged-token: wrong MAC"),
        (OLD, old[:-1] + bytes([old[-1] ^ 1]), "forged-token: wrong MAC"),
        (OLD, bytes([old[0] ^ 1]) + old[1:], "forged-token: wrong MAC"),
        (OLD, old[:20] + old[21:], "forged-token: wrong MAC"),
        (OLD, old[-17:], "bad-token: 17 bytes are too few"),
        (OLD, b"", "bad-token: 0 bytes are too few"),
    ]
    return [f"{keys} {token.hex()} {outcome}" for keys, token, outcome in cases]


if __name__ == "__main__":
    TOKENS.write_text("\n".join(lines()) + "\n")

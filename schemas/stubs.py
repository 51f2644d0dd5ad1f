"""Generates the gRPC stubs from the proto files; ``check`` says whether they are up to date."""

import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROTO = Path("schemas/proto/ctr/v1/scorer.proto")
GENERATED = ("scorer_pb2.py", "scorer_pb2.pyi", "scorer_pb2_grpc.py")


class StubError(RuntimeError):
    """protoc failed, or the stubs do not belong to the proto file."""


def generate(root: Path = ROOT, into: Path | None = None) -> list[Path]:
    """Write the stubs below ``into`` (default: beside the proto). Raises StubError."""
    from grpc_tools import protoc

    target = into or root
    code = protoc.main(
        [
            "protoc",
            f"--proto_path={root}",
            f"--python_out={target}",
            f"--pyi_out={target}",
            f"--grpc_python_out={target}",
            str(root / PROTO),
        ]
    )
    if code != 0:
        raise StubError(f"protoc ended with {code} on {PROTO}")
    return [target / PROTO.parent / name for name in GENERATED]


def check(root: Path = ROOT) -> None:
    """Raises StubError naming the first stub that is missing or out of date."""
    with tempfile.TemporaryDirectory() as folder:
        for fresh in generate(root, Path(folder)):
            committed = root / PROTO.parent / fresh.name
            if not committed.is_file() or committed.read_bytes() != fresh.read_bytes():
                raise StubError(
                    f"{committed.relative_to(root)} is out of date: run python -m schemas generate"
                )

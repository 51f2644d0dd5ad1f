"""How records may change: every version is kept in ``avro/history``, and all can read each other.

FULL compatibility in the sense of Confluent's registry, with all versions: the current version reads
what any older one wrote and is read by it. So a field may be added or removed only if it has a
default, and types may not change. Producers and consumers can then be upgraded in any order.
"""

import json
from importlib.resources import files
from pathlib import Path

from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from avro.schema import Schema, parse

from schemas import avro_codec
from schemas.records import RECORDS

AVRO = Path(str(files("schemas"))) / "avro"


class EvolutionError(ValueError):
    """A version is not kept, or cannot be read by another; the message says what to do."""


def register(folder: Path = AVRO) -> list[Path]:
    """Keep the current version of every record in the history; returns the files that are new.

    Raises EvolutionError, and keeps nothing, if one is not compatible with the versions there.
    """
    check_compatible(folder)
    added = []
    for path in sorted(folder.glob("*.avsc")):
        kept = _kept_as(folder, path)
        if not kept.exists():
            kept.parent.mkdir(exist_ok=True)
            kept.write_text(path.read_text())
            added.append(kept)
    return added


def check(folder: Path = AVRO) -> None:
    """Raises EvolutionError unless the history is complete and all of it is compatible."""
    check_compatible(folder)
    for path in sorted(folder.glob("*.avsc")):
        kept = _kept_as(folder, path)
        if not kept.exists():
            raise EvolutionError(
                f"{path.name}: this version is not in history/: run python -m schemas register"
            )


def check_compatible(folder: Path = AVRO) -> None:
    """Raises EvolutionError naming the first version that does not fit the current one."""
    current = {_name(path): path for path in folder.glob("*.avsc")}
    for old in sorted((folder / "history").glob("*.avsc")):
        if old.name != _kept_as(folder, old).name:
            raise EvolutionError(
                f"history/{old.name} was changed, its fingerprint is {_fingerprint(old)}: versions "
                "are never changed, only added"
            )
        new = current.get(_name(old))
        if new is None:
            raise EvolutionError(f"history/{old.name}: no current schema of record {_name(old)}")
        _compare(new, old)


def _compare(new: Path, old: Path) -> None:
    newer, older = (parse(path.read_text()) for path in (new, old))
    rule = "a field that is added or removed needs a default, and types stay"
    if faults := _faults(newer, older):
        raise EvolutionError(f"{new.name} cannot read history/{old.name}: {faults} ({rule})")
    if faults := _faults(older, newer):
        raise EvolutionError(f"history/{old.name} cannot read {new.name}: {faults} ({rule})")


def _faults(reader: Schema, writer: Schema) -> str:
    result = ReaderWriterCompatibilityChecker().get_compatibility(reader, writer)
    if result.compatibility is SchemaCompatibilityType.compatible:
        return ""
    return "; ".join(sorted(result.messages))


def _name(path: Path) -> str:
    name: str = json.loads(path.read_text())["name"]
    if name not in RECORDS:
        raise EvolutionError(f"{path.name}: record {name} is not one of {', '.join(RECORDS)}")
    return name


def _fingerprint(path: Path) -> str:
    return avro_codec.schema_fingerprint(json.loads(path.read_text())).hex()


def _kept_as(folder: Path, path: Path) -> Path:
    return folder / "history" / f"{_name(path)}.{_fingerprint(path)}.avsc"

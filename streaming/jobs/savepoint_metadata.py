"""What a savepoint or checkpoint holds, from its ``_metadata`` and the heads of its state files."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pyflink.java_gateway import get_gateway
from pyflink.util.java_utils import is_instance_of

from streaming.upgrade import SavedOperator, SavedState


def read_savepoint(folder: Path) -> tuple[SavedOperator, ...]:
    """The operators with state; those that Flink would restore without a trace are left out.

    Needs the JVM and, for serializers of ours, our jars on its class path.
    """
    jvm = get_gateway().jvm
    runtime = jvm.org.apache.flink.runtime
    storage = runtime.state.filesystem.AbstractFsCheckpointStorageAccess
    location = storage.resolveCheckpointPointer(folder.absolute().as_uri())
    stream = jvm.java.io.DataInputStream(location.getMetadataHandle().openInputStream())
    try:
        metadata = runtime.checkpoint.Checkpoints.loadCheckpointMetadata(
            stream, _class_loader(), location.getExternalPointer()
        )
    finally:
        stream.close()
    operators = (_operator(state) for state in _items(metadata.getOperatorStates()))
    return tuple(operator for operator in operators if operator.has_state)


def _operator(operator: Any) -> SavedOperator:
    subtasks = _items(operator.getStates())
    states = {(state.name, state.kind): state for each in subtasks for state in _states(each)}
    has_state = operator.getCoordinatorState() is not None or any(s.hasState() for s in subtasks)
    return SavedOperator(
        id=operator.getOperatorID().toString(),
        uid=operator.getOperatorUid().orElse(None),
        name=operator.getOperatorName().orElse(""),
        max_parallelism=operator.getMaxParallelism(),
        bytes=operator.getStateSize(),
        has_state=has_state,
        is_finished=operator.isFullyFinished() or any(s.isFinished() for s in subtasks),
        states=tuple(states[key] for key in sorted(states)),
    )


def _states(subtask: Any) -> Iterator[SavedState]:
    for handle in _items(subtask.getManagedOperatorState()):
        for name in handle.getStateNameToPartitionOffsets():
            yield SavedState(str(name), "OPERATOR", "")
    for handle in _items(subtask.getManagedKeyedState()):
        yield from _keyed_states(handle)


def _keyed_states(handle: Any) -> Iterator[SavedState]:
    jvm = get_gateway().jvm
    state = jvm.org.apache.flink.runtime.state
    is_incremental = is_instance_of(handle, state.IncrementalRemoteKeyedStateHandle)
    stream = (handle.getMetaDataStateHandle() if is_incremental else handle).openInputStream()
    try:
        head = state.KeyedBackendSerializationProxy(_class_loader())
        head.read(jvm.org.apache.flink.core.memory.DataInputViewStreamWrapper(stream))
    finally:
        stream.close()
    key = _digest([head.getKeySerializerSnapshot()])
    for each in head.getStateMetaInfoSnapshots():
        by_role = dict(each.getSerializerSnapshotsImmutable())
        schema = _digest([by_role[role] for role in sorted(by_role)])
        yield SavedState(each.getName(), each.getBackendStateType().name(), f"{key}/{schema}")


def _digest(serializers: list[Any]) -> str:
    """Of what Flink writes about serializers: equal where states are written alike."""
    jvm = get_gateway().jvm
    written = jvm.java.io.ByteArrayOutputStream()
    view = jvm.org.apache.flink.core.memory.DataOutputViewStreamWrapper(written)
    snapshots = jvm.org.apache.flink.api.common.typeutils.TypeSerializerSnapshot
    for serializer in serializers:
        snapshots.writeVersionedSnapshot(view, serializer)
    return hashlib.sha256(written.toByteArray()).hexdigest()[:12]


def _items(collection: Any) -> list[Any]:
    """Py4J iterates over lists and sets only."""
    return list(get_gateway().jvm.java.util.ArrayList(collection))


def _class_loader() -> Any:
    return get_gateway().jvm.Thread.currentThread().getContextClassLoader()

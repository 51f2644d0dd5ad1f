"""Publishing through the gate: no package replaces the live one that is worse by its metrics."""

from collections.abc import Mapping

from bootstrap.publisher import Publisher, PublishError
from bootstrap.settings import BootstrapSettings
from online_model.publish_gate import GateLimits, refusal_reasons
from schemas.model_package import Manifest, ModelPackage, PackageError

#: Prefix of the metrics in a manifest that are of the model that was live then, on the same rows.
LIVE = "live_"


class GateError(PublishError):
    """The gate refused a package; the message has the reasons."""


def live_package(publisher: Publisher) -> ModelPackage | None:
    """What is served now; None if nothing is, or it cannot be read."""
    version = publisher.current()
    try:
        return None if version is None else publisher.fetch(version)
    except PackageError:
        return None


def gate_limits(settings: BootstrapSettings) -> GateLimits:
    """Of the gate before publishing."""
    return GateLimits(
        log_loss_rise=settings.gate_log_loss_rise,
        auc_drop=settings.gate_auc_drop,
        pcoc_factor=settings.gate_pcoc_factor,
    )


def publish_through_gate(
    publisher: Publisher,
    package: ModelPackage,
    settings: BootstrapSettings,
    now_ms: int,
    force: bool = False,
) -> list[str]:
    """Publish, or raise GateError with the reasons; with ``force`` they are returned instead.

    Raises VersionError if another version became current meanwhile than the one it was judged by.
    """
    manifest, current = package.manifest, publisher.current()
    reasons = refusal_reasons(
        own_metrics(manifest),
        None if current is None else _live_metrics(publisher, manifest, current),
        gate_limits(settings),
    )
    if manifest.kind == "DENSE" and manifest.parent != current:
        reasons.append(f"snapshot: it goes on from {manifest.parent}, and {current} is served now")
    if reasons and not force:
        told = "; ".join(reasons)
        raise GateError(f"{manifest.version} is not published (--force would): {told}")
    publisher.publish(package, now_ms, expected=current)
    return reasons


def own_metrics(manifest: Manifest) -> dict[str, float]:
    """Without those of the model that was live."""
    return {name: v for name, v in manifest.metrics.items() if not name.startswith(LIVE)}


def _live_metrics(
    publisher: Publisher, candidate: Manifest, current: str
) -> Mapping[str, float] | None:
    """On the candidate's rows if it was compared with this very version, else the live one's own;
    None where features differ: nothing can be compared then."""
    if candidate.parent == current:
        measured = candidate.metrics
        return {n.removeprefix(LIVE): v for n, v in measured.items() if n.startswith(LIVE)} or None
    kept = next((item.manifest for item in publisher.versions() if item.version == current), None)
    if kept is None or kept.feature_fingerprint != candidate.feature_fingerprint:
        return None
    return own_metrics(kept)

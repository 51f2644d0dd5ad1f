"""The command ``refresh``: hourly, between two retrains."""

import json
from typing import Annotated, Any

import typer

from bootstrap import display
from bootstrap.announcer import announce
from bootstrap.command import AsJson, ModelOption, connected, faults_told
from bootstrap.publisher import Publisher
from bootstrap.publishing import publish_through_gate
from bootstrap.refresh import RefreshRefused, refresh
from bootstrap.sample_topic import SampleTopic
from bootstrap.settings import BootstrapSettings
from bootstrap.side_by_side import LEAST_CLICKS
from online_model.settings import OnlineModelSettings
from schemas.features import FeatureSpec
from schemas.settings import SharedSettings
from stores.model_versions import VersionError


def refresh_live(
    model: ModelOption = "",
    least_clicks: Annotated[
        int, typer.Option(min=1, help="in the later half of the new labels; else nothing is done")
    ] = LEAST_CLICKS,
    as_json: AsJson = False,
) -> None:
    """Publish the live model with dense layers that have learnt the labels since its watermark, if
    they predict no worse by that. Where they do, the live model stays: that is no failure."""
    with faults_told():
        shared, settings = SharedSettings.load(), BootstrapSettings.load()
        spec, name = FeatureSpec.load(shared.features), model or shared.model
        # What was as good an hour ago must not become a little worse each hour.
        strict = settings.model_copy(update={"gate_log_loss_rise": 0.0, "gate_auc_drop": 0.0})
        told: dict[str, Any] = {"published": False}
        with connected(shared) as client:
            publisher = Publisher(client, name, settings.keep_versions)
            version = publisher.current()
            if version is None:
                raise VersionError(f"no version of {name} is published: bootstrap train makes one")
            try:
                with display.rows_progress(f"refreshing {name}", None, True) as progress:
                    refreshed = refresh(
                        publisher.fetch(version),
                        spec,
                        OnlineModelSettings.load(),
                        SampleTopic(shared.kafka),
                        least_clicks,
                        progress,
                    )
                manifest = refreshed.package.manifest
                told |= {
                    "version": manifest.version,
                    "parent": manifest.parent,
                    "samples": refreshed.samples,
                    "behind_seconds": round(refreshed.behind_seconds, 2),
                    **manifest.metrics,
                }
                publish_through_gate(publisher, refreshed.package, strict, manifest.created_ms)
                told["published"] = True
                announce(shared.kafka, manifest, manifest.created_ms)
            except (RefreshRefused, VersionError) as error:
                told["why_not"] = str(error)
    if as_json:
        print(json.dumps(told))
    else:
        display.show_report(f"refresh {name}", told)

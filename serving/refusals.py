"""What a server refuses before its workers start: a sentence, where each worker would die of it."""

from typing import Any

import internals
from serving.grpc.lifecycle import refuse_grpc
from serving.listening import refuse_address, refuse_certificate
from serving.providers import refuse_providers
from serving.tracing.lifecycle import refuse_tracing
from serving.unsupported import refuse_unsupported
from settings import Settings


def refuse(settings: Settings, service: Any, *, traced: bool) -> tuple[str, int] | None:
    """Raises SettingsError for what cannot work; returns where the server is about to listen, None
    where that was not asked on a command line. ``traced``: whether BentoML exports traces."""
    refuse_unsupported(*internals.service_configuration(service), traced=traced)
    address = internals.serving_address()
    if address is not None:
        refuse_address(*address)
    certificate = internals.serving_certificate()
    refuse_certificate(*certificate)
    refuse_grpc(settings, certificate[0])
    refuse_providers(settings.chosen_providers)
    refuse_tracing(settings, traced=traced)
    return address

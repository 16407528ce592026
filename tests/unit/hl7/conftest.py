"""What the decoder's tests share: decode a message at a fixed time of receipt."""

from collections.abc import Callable

import pytest

from consumer.hl7.decoder import Decoder
from consumer.hl7.outcome import DecodedMessage
from consumer.hl7.site import Site
from consumer.hl7.site_file import parse_site
from rules.events import Source
from tests.fuzz.builder import RECEIVED

SOURCE = Source("hl7.inbound", 0, 7)
Decode = Callable[..., DecodedMessage]


@pytest.fixture
def decode() -> Decode:
    """Decode one message; ``site`` is a TOML text."""

    def one(raw: bytes, site: str = "", received_at: int | None = RECEIVED) -> DecodedMessage:
        decoder = Decoder(parse_site(site) if site else Site.default())
        decoded = decoder.decode(raw, received_at=received_at, source=SOURCE)
        assert len(decoded.messages) == 1
        message = decoded.messages[0]
        assert message.accounted
        return message

    return one

"""`_rescued` texts → their fields."""

import msgspec

from event_platform.events.surrogates import mask_half_surrogates, unmask

#: Key of a whole record stored as text because it has a repeated key, which a JSON object cannot represent.
WHOLE_RECORD = "$record"

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


def rescued_fields(text: str) -> dict[str, msgspec.Raw]:
    """Return the fields of a `_rescued` text or of an object in it. Half surrogates in keys stay escapes."""
    readable, mask = mask_half_surrogates(text)
    fields = _FIELDS.decode(readable)
    if not mask:
        return fields
    return {unmask(field, mask): msgspec.Raw(unmask(str(raw, "utf-8"), mask).encode()) for field, raw in fields.items()}

"""What can be said for a pairing? Every feature of the catalogue has its topic, or is one reader's own or nobody's.

What is the same for a reader's whole list (an anchor's own columns in its goods, a SKU's in its shortlist, the days to
the next event in both) tells no pairing of the list from another, and has no sentence for that reader.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from matcher.candidates.union import Side
from matcher.reasons.cheap import CHEAP
from matcher.reasons.host import HOST
from matcher.reasons.need import NEED
from matcher.reasons.wording import SEVERAL, About, Phrase, Reading, Topic

TOPICS: Final = (*HOST, *NEED, *CHEAP)
TELLING: Final[Mapping[Side, frozenset[About]]] = MappingProxyType(
    {"goods": frozenset({"sku", "pair"}), "shortlist": frozenset({"anchor", "pair"})}
)
"""What differs between the lines of a reader's list."""

__all__ = ["SEVERAL", "TELLING", "TOPICS", "Phrase", "Reading", "Topic", "topics_for"]


def topics_for(voice: Side) -> tuple[Topic, ...]:
    """The topics of one reader, in order; each feature that can differ in its list is in exactly one of them."""
    return tuple(topic for topic in TOPICS if topic.voice in (None, voice) and topic.about in TELLING[voice])

"""What can be said for a pairing? Every feature of the catalogue has its topic, and every topic its sentences."""

from typing import Final

from matcher.candidates.union import Side
from matcher.reasons.cheap import CHEAP
from matcher.reasons.host import HOST
from matcher.reasons.need import NEED
from matcher.reasons.wording import SEVERAL, Phrase, Reading, Topic

TOPICS: Final = (*HOST, *NEED, *CHEAP)

__all__ = ["SEVERAL", "TOPICS", "Phrase", "Reading", "Topic", "topics_for"]


def topics_for(voice: Side) -> tuple[Topic, ...]:
    """The topics of one reader, in order; each feature is in exactly one of them."""
    return tuple(topic for topic in TOPICS if topic.voice in (None, voice))

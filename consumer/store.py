"""
What is kept of the patients of one events partition, and what has come of them since the last commit. Pure.

Who judges them is `consumer/patients.py`; this neither knows a rule nor whose turn it is, only when a record's is.
"""

from consumer.aliases import homes_of
from consumer.errors import CorruptRecord
from consumer.homes import QUARANTINED, AliasHomes, Failure, Judged, Load, Settings
from consumer.schedule import Overlay
from consumer.turns import Turns, turn_of
from consumer.warm import Warm
from consumer.wire import EMPTY, EventRecord, PatientRecord, Waiting
from rules.events import Instant, Patient


class Store:
    """
    The patients as changed since the last commit, over those that are stored.

    What comes out lies in ``judged``, ``forwards``, ``failures`` and ``counts`` until `clear`; ``touched`` has the keys
    whose record changed. `commit` keeps the changes, `discard` goes back to the last commit.
    """

    def __init__(self, settings: Settings, load: Load) -> None:
        self._settings = settings
        self._load = load
        self._changed: dict[str, PatientRecord | None] = {}
        self._warm = Warm()
        self._awaiting: Overlay[str, tuple[int, Instant]] = Overlay()
        self.turns = Turns()
        self.touched: dict[str, None] = {}
        self.judged: list[Judged] = []
        self.forwards: list[EventRecord] = []
        self.failures: list[Failure] = []
        self.counts: dict[tuple[str, str], int] = {}

    def restore(
        self, key: str, due: Instant | None, awaits: tuple[int, Instant] | None, homes: AliasHomes | None = None
    ) -> None:
        """Take a stored patient's next turn, without decoding the patient."""
        self._warm.forget(key)
        self.turns.restore(key, due, homes)
        self._awaiting.restore(key, awaits)

    def get(self, key: str) -> PatientRecord | None:
        """Return a patient as changed since the last commit, or as stored."""
        if key in self._changed:
            return self._changed[key]
        return self._warm.get(key) or self._load(key)

    def next_due(self, key: str) -> Instant | None:
        """Return when a patient's next turn is, or None."""
        turn = turn_of(key, self.get(key))
        return None if turn is None else turn.due

    def shrink(self, key: str, record: PatientRecord | None) -> None:
        """Take a changed patient as it is stored, where that is less than it was."""
        self._changed[key] = record

    def rewrite(self, key: str) -> None:
        """Have a patient written again as it is."""
        self.touched[key] = None
        self._count("states_rewritten")

    def commit(self, *, warm: bool = True) -> None:
        """Keep the changes; *warm*: what is stored of a patient is all that the changes said."""
        self.turns.commit()
        self._awaiting.commit()
        self._warm.commit(self._changed if warm else dict.fromkeys(self._changed))
        self._changed.clear()
        self.clear()

    def discard(self) -> None:
        """Drop the changes."""
        self.turns.discard()
        self._awaiting.discard()
        self._changed.clear()
        self.clear()

    def clear(self) -> None:
        """Forget what came out so far; the changes stay."""
        self.touched.clear()
        self.judged.clear()
        self.forwards.clear()
        self.failures.clear()
        self.counts.clear()

    def _opened(self, key: str, waiting: Waiting | None = None) -> PatientRecord | None:
        """
        Return a patient, an empty record for nobody; None for one whose stored state can't be read.

        Such a patient is left alone, with a dead letter for what had come; the rest goes on, and operations are told.
        """
        try:
            return self.get(key) or EMPTY
        except CorruptRecord as error:
            patient = Patient(key, "", "") if waiting is None else waiting.record.patient
            self.failures.append(Failure(patient, waiting, error))
            self._count(QUARANTINED)
            self.turns.set(key, None, None)
            self._awaiting.set(key, None)
            return None

    def _put(self, key: str, record: PatientRecord | None) -> None:
        if record is not None and not (record.state or record.alias or record.settled_at or record.inbox):
            record = None
        self._changed[key] = record
        self.touched[key] = None
        self.turns.set(key, turn_of(key, record), self._homes(record))
        awaits = None if record is None or not record.awaits else (record.awaits, record.awaits_since)
        if self._awaiting.get(key) != awaits:
            self._awaiting.set(key, awaits)

    def _homes(self, record: PatientRecord | None) -> AliasHomes | None:
        if record is None or not record.retired:
            return None
        return homes_of(record.retired, self._settings.partition, self._settings.partitions)

    def _count(self, what: str, number: int = 1) -> None:
        place = ("judge", what)
        self.counts[place] = self.counts.get(place, 0) + number

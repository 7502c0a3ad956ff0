"""Files that sound the same: one of them is decoded and encoded, the others wait for it."""

from __future__ import annotations

from indexer.job import Job


class Claims:
    """Who brings in which sound, and who waits for it."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[Job]] = {}

    def take(self, job: Job, claim: str) -> bool:
        """Take a sound on behalf of all files that have it, or wait for the one that did.

        Args:
            job: Who wants it.
            claim: What is known of the sound; nothing, if it is empty.

        Returns:
            Whether the job is to go on; else it comes back from the ``release`` of another.
        """
        if not claim or claim in job.claims:
            return True
        if claim in self._waiting:
            # Whoever waits for this one waits on.
            self._waiting[claim].append(job)
            return False
        self._waiting[claim] = []
        job.claims.append(claim)
        return True

    def release(self, job: Job) -> list[Job]:
        """The files that waited for this one, which is settled."""
        claims, job.claims = job.claims, []
        return [other for claim in claims for other in self._waiting.pop(claim, ())]

    def drop(self) -> list[Job]:
        """Forget all claims; the files that still waited."""
        waiting = [job for jobs in self._waiting.values() for job in jobs]
        self._waiting.clear()
        return waiting

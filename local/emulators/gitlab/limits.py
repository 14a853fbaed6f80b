"""Rate limits: the one on all of the API, as a test sets it, and the standing one on large files."""

import threading
import time
from dataclasses import dataclass, field

from local.emulators.gitlab.answers import TooMany
from local.emulators.gitlab.store import Json

NAME = "throttle_authenticated_api"
LARGE_FILE, LARGE_READS, LARGE_PERIOD_S = 10 * 2**20, 5, 60.0


@dataclass
class RateLimit:
    """`refuse`: so many requests get 429 at once; `limit`: so many per `period_s` are served, in fixed windows."""

    refuse: int = 0
    retry_after_s: int = 1
    limit: int | None = None
    period_s: int = 60
    _began: float = 0.0
    _observed: int = 0
    _large: list[float] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def change(self, settings: Json) -> None:
        """Back to no limit, then as told; a new window begins."""
        fresh: Json = {"refuse": 0, "retry_after_s": 1, "limit": None, "period_s": 60}
        for name, value in (fresh | settings).items():
            setattr(self, name, value)
        self._began, self._observed = 0.0, 0

    def shown(self) -> Json:
        return {name: getattr(self, name) for name in ("refuse", "retry_after_s", "limit", "period_s")}

    def take(self, now: float) -> None:
        """Raises TooMany."""
        if self.refuse > 0:
            self.refuse -= 1
            raise TooMany({"retry-after": str(self.retry_after_s)})
        if self.limit is None:
            return
        if now - self._began >= self.period_s:
            self._began, self._observed = now, 0
        self._observed += 1
        if self._observed > self.limit:
            raise TooMany(self.headers(now) | {"retry-after": self._left(now)})

    def take_large(self, size: int) -> None:
        """A read of a file of this size: above 10 MB only five in a minute. Raises TooMany."""
        if size <= LARGE_FILE:
            return
        now = time.monotonic()
        with self._lock:
            self._large = [at for at in self._large if now - at < LARGE_PERIOD_S]
            if len(self._large) >= LARGE_READS:
                raise TooMany({"retry-after": str(int(self._large[0] + LARGE_PERIOD_S - now) + 1)})
            self._large.append(now)

    def _left(self, now: float) -> str:
        return str(max(int(self._began + self.period_s - now) + 1, 1))

    def headers(self, now: float) -> dict[str, str]:
        """What every answer says while a limit is in force."""
        if self.limit is None:
            return {}
        return {
            "ratelimit-limit": str(self.limit),
            "ratelimit-observed": str(self._observed),
            "ratelimit-remaining": str(max(self.limit - self._observed, 0)),
            "ratelimit-reset": str(int(time.time()) + int(self._left(now))),
            "ratelimit-name": NAME,
        }

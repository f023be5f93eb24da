"""A run on a cluster, played through event by event from what a task, a byte and a sample cost.

Client, scheduler and workers do one thing after another, each on a core of its own or on cores that they share, as on
one machine with more workers than cores. A thousand workers and a billion samples take seconds. Nothing here knows a
cluster, and nothing is drawn at random: the same numbers give the same run.
"""

import heapq
import itertools
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from tl_arrayapi.distributed.costs import Costs, Work
from tl_arrayapi.distributed.sizing import window_pieces
from tl_arrayapi.errors import ArgumentError

__all__ = ["Simulated", "simulate"]

# What a core does for one before another has its turn, as operating systems have it; long work is cut less finely.
_TURN = 4e-3
_TURNS = 50

_Then = Callable[[], None]


@dataclass(frozen=True)
class Simulated:
    """Hold what a simulated run came to.

    ``seconds`` in all; ``client``, ``scheduler`` and ``workers`` are the shares of that time in which they are busy (of
    the workers, their mean); ``before`` is the share that passes before the first piece is worked on, with parameters
    on their way. ``limit`` says what the run waits for most.
    """

    seconds: float
    client: float
    scheduler: float
    workers: float
    before: float
    limit: str


class _Clock:
    """What is to happen, and when."""

    def __init__(self) -> None:
        self.now = 0.0
        self._events: list[tuple[float, int, _Then]] = []
        self._numbers = itertools.count()

    def after(self, seconds: float, then: _Then) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._numbers), then))

    def run(self) -> None:
        while self._events:
            self.now, _, then = heapq.heappop(self._events)
            then()


class _Cores:
    """Cores, and who waits for one; as many as are wanted where ``count`` is None."""

    def __init__(self, clock: _Clock, count: int | None) -> None:
        self._clock = clock
        self._free = count
        self._waiting: deque[_Then] = deque()

    def hold(self, seconds: float, then: _Then) -> None:
        """Have a core for so long, in turns with others, and go on after that."""
        if self._free is None:
            self._clock.after(seconds, then)
        elif self._free:
            self._free -= 1
            self._turn(seconds, max(_TURN, seconds / _TURNS), then)
        else:
            self._waiting.append(lambda: self.hold(seconds, then))

    def _turn(self, left: float, most: float, then: _Then) -> None:
        def over() -> None:
            assert self._free is not None
            rest = left - turn
            if rest > 0.0 and not self._waiting:
                self._turn(rest, most, then)
                return
            self._free += 1
            if rest > 0.0:
                self._waiting.append(lambda: self._again(rest, most, then))
            else:
                then()
            while self._free and self._waiting:
                self._waiting.popleft()()

        turn = min(left, most)
        self._clock.after(turn, over)

    def _again(self, left: float, most: float, then: _Then) -> None:
        assert self._free is not None
        self._free -= 1
        self._turn(left, most, then)


@dataclass
class _Server:
    """One who does one thing after another."""

    clock: _Clock
    cores: _Cores
    busy: float = 0.0
    pieces: int = 0
    _queue: deque[tuple[float, _Then]] = field(default_factory=deque)
    _working: bool = False

    def do(self, seconds: float, then: _Then) -> None:
        self.busy += seconds
        self._queue.append((seconds, then))
        if not self._working:
            self._next()

    def _next(self) -> None:
        seconds, then = self._queue.popleft()
        self._working = True

        def done() -> None:
            self._working = False
            then()
            if self._queue and not self._working:
                self._next()

        self.cores.hold(seconds, done)


class _Run:
    """One run: pieces go from the client by the scheduler to workers, and what they give comes back the same way."""

    def __init__(self, work: Work, costs: Costs, workers: int, window: int) -> None:
        self.clock = _Clock()
        cores = _Cores(self.clock, costs.cores)
        self.client = _Server(self.clock, cores)
        self.scheduler = self.client if costs.together else _Server(self.clock, cores)
        self.workers = [_Server(self.clock, cores) for _ in range(workers)]
        # Workers by how many pieces they have, the one with the fewest first.
        self._idle = [(0, i) for i in range(workers)]
        self._work, self._costs, self._window = work, costs, window
        self._sent = self._done = self._under_way = 0
        self._levels: dict[int, int] = {}
        self._merging = 0
        self.began = 0.0

    def play(self) -> None:
        self.client.do(self._costs.start, self._parameters)
        self.clock.run()

    def _parameters(self) -> None:
        """Parameters go to one worker, and from those that have them to others: each round doubles their number."""
        work, costs = self._work, self._costs
        rounds = math.ceil(math.log2(len(self.workers))) if work.parameters else 0
        handled = costs.scheduler_task * len(self.workers) if work.parameters else 0.0

        def arrived() -> None:
            self.began = self.clock.now
            for worker in self.workers:
                worker.do(costs.setup, lambda: None)
            self._send()

        def relayed() -> None:
            # Those who share cores take turns.
            copies = len(self.workers) / costs.cores if costs.cores else rounds
            self.clock.after(copies * work.parameters * costs.peer_byte + rounds * costs.latency, arrived)

        sent = work.parameters * costs.client_byte
        self.client.do(sent, lambda: self.scheduler.do(handled + work.parameters * costs.scheduler_byte, relayed))

    def _send(self) -> None:
        while self._under_way < self._window and self._sent < self._work.pieces:
            count = min(self._work.chunk, self._work.samples - self._sent * self._work.chunk)
            self._sent += 1
            self._under_way += 1
            self._piece(count)

    def _piece(self, count: int) -> None:
        work, costs = self._work, self._costs
        sent = count * work.sent
        working = costs.worker_task + sent * costs.worker_byte + count * (work.read * costs.read_byte + costs.sample)

        def scheduled() -> None:
            had, i = heapq.heappop(self._idle)
            heapq.heappush(self._idle, (had + 1, i))
            worker = self.workers[i]
            self.clock.after(costs.latency / 2, lambda: worker.do(working, worked))

        def worked() -> None:
            self.clock.after(costs.latency / 2, lambda: self.scheduler.do(costs.scheduler_task / 2, back))

        def back() -> None:
            self.client.do(costs.client_task / 2, received)

        def received() -> None:
            self._under_way -= 1
            self._done += 1
            self._collect(0)
            self._send()

        handled = costs.scheduler_task / 2 + sent * costs.scheduler_byte
        self.client.do(costs.client_task / 2 + sent * costs.client_byte, lambda: self.scheduler.do(handled, scheduled))

    def _collect(self, level: int) -> None:
        """Merge results of a level once there are enough of them, or no more to come."""
        if self._work.merged == 1:
            return
        self._levels[level] = self._levels.get(level, 0) + 1
        of = self._work.merged
        if self._levels[level] == of:
            self._levels[level] = 0
            self._merge(of, level + 1)
        elif self._done == self._work.pieces and not self._merging and sum(self._levels.values()) > 1:
            rest = sum(self._levels.values())
            top = max(self._levels)
            self._levels.clear()
            self._merge(rest, top + 1)

    def _merge(self, of: int, level: int) -> None:
        costs = self._costs
        self._merging += 1
        had, i = heapq.heappop(self._idle)
        heapq.heappush(self._idle, (had + 1, i))

        def merged() -> None:
            self._merging -= 1
            self._collect(level)

        seconds = costs.worker_task + (of - 1) * self._work.result * costs.peer_byte
        self.scheduler.do(
            costs.scheduler_task,
            lambda: self.clock.after(costs.latency, lambda: self.workers[i].do(seconds, merged)),
        )


def simulate(work: Work, costs: Costs, workers: int, window: int | None = None) -> Simulated:
    """Return what a run of ``work`` comes to on ``workers`` workers, ``window`` pieces under way at a time (None: as
    many as `sizing.window_pieces` says).

    >>> work = Work(samples=1_000_000, chunk=10_000)
    >>> alone, many = simulate(work, Costs(setup=0.0), 1), simulate(work, Costs(setup=0.0), 1_000)
    >>> alone.limit, many.limit
    ('the workers', 'the client')
    """
    if workers < 1:
        raise ArgumentError(f"{workers} workers cannot run anything: give 1 or more")
    if window is None:
        window = window_pieces(workers, work.chunk * work.sent)
    run = _Run(work, costs, workers, window)
    run.play()
    seconds = run.clock.now
    busy = math.fsum(worker.busy for worker in run.workers)
    shares = {
        "the client and the scheduler" if costs.together else "the client": run.client.busy / seconds,
        "the scheduler": run.scheduler.busy / seconds if not costs.together else 0.0,
        "the workers": busy / workers / seconds - costs.setup / seconds,
        "workers that make themselves ready": costs.setup / seconds,
        "parameters on their way": run.began / seconds,
    }
    if costs.cores is not None:
        used = busy - costs.setup * workers + run.client.busy + (0.0 if costs.together else run.scheduler.busy)
        shares["the processor's cores"] = used / costs.cores / seconds
        # Who shares cores is slower for that, and not busier.
        if workers >= costs.cores:
            del shares["the workers"]
    limit = max(shares, key=lambda name: shares[name])
    if shares[limit] < 0.5:
        limit = "too few pieces" if work.pieces < 4 * workers else "too few pieces under way"
    return Simulated(
        seconds,
        run.client.busy / seconds,
        run.scheduler.busy / seconds,
        busy / workers / seconds,
        run.began / seconds,
        limit,
    )

// How long a pair was readable: from when both answers stood there, without the time the tab was hidden, the person
// paused, or nothing moved for a minute.
const IDLE_MS = 60000;

const stopwatch = {
  spent: 0, since: null, lastMove: 0, paused: false,
  start() { this.spent = 0; this.lastMove = performance.now(); this.since = document.hidden || this.paused ? null : this.lastMove; },
  running() { return this.since === null ? 0 : Math.min(performance.now(), this.lastMove + IDLE_MS) - this.since; },
  stop() { this.spent += Math.max(0, this.running()); this.since = null; },
  go() { if (this.since === null && !document.hidden && !this.paused) this.since = this.lastMove = performance.now(); },
  moved() {
    if (this.since !== null && performance.now() - this.lastMove > IDLE_MS) this.stop();
    this.go();
    this.lastMove = performance.now();
  },
  pause(paused) { this.paused = paused; if (paused) this.stop(); else this.go(); },
  read() { return Math.round(this.spent + Math.max(0, this.running())); },
};

document.addEventListener('visibilitychange', () => (document.hidden ? stopwatch.stop() : stopwatch.go()));
for (const kind of ['pointermove', 'pointerdown', 'keydown', 'wheel', 'touchmove', 'scroll']) {
  document.addEventListener(kind, () => stopwatch.moved(), { passive: true, capture: true });
}

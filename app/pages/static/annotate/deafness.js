// For how long after a pair is painted no choice is taken: the press was meant for the pair before, or is a guess.
// The bar shows it: dimmed, with a line that fills while the answers cannot have been read.
const DOUBLE_MS = 400; // within this a press is the second one of a double press, of which nothing need be said

const deafness = {
  until: 0, since: 0, timer: 0,
  begin(ms) {
    clearTimeout(this.timer);
    this.until = this.since = Infinity; // until it is painted; a hidden tab paints nothing
    part('bar').style.setProperty('--deaf', `${ms}ms`);
    root.dataset.deaf = 'before';
    const token = root.dataset.token;
    // in the first frame the pair is drawn, in the second it has been seen
    requestAnimationFrame(() => requestAnimationFrame(() => {
      if (root.dataset.token !== token) return;
      this.since = performance.now();
      this.until = this.since + ms;
      root.dataset.deaf = 'now';
      this.timer = setTimeout(() => this.end(), ms);
    }));
  },
  end() { clearTimeout(this.timer); this.until = 0; delete root.dataset.deaf; lock(); },
  now() { return performance.now() < this.until; },
  double() { return performance.now() < this.since + DOUBLE_MS || this.since === Infinity; },
};

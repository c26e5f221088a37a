// What the annotator has chosen and written of a pair, until it is sent. Kept over a reload, by the pair's token.
const DRAFT = 'prefloop-draft';
const EMPTY = { pick: '', reasons: { a: [], b: [] }, comment: '', flag: '', edits: { a: null, b: null }, open: false };

const draft = {
  token: '', ...structuredClone(EMPTY),
  // `said`: what had been said of the pair, when it comes back by an undo or from the history
  begin(token, said) {
    const kept = JSON.parse(sessionStorage.getItem(DRAFT));
    Object.assign(this, structuredClone(EMPTY), said, kept?.token === token ? kept : {}, { token });
    this.open ||= this.remarked();
  },
  remarked() { return Boolean(this.reasons.a.length || this.reasons.b.length || this.comment || this.flag || this.edit() !== null); },
  keep() { const { token, pick, reasons, comment, flag, edits, open } = this; sessionStorage.setItem(DRAFT, JSON.stringify({ token, pick, reasons, comment, flag, edits, open })); },
  forget() { sessionStorage.removeItem(DRAFT); },
  decisive() { return { 1: 'a', 2: 'a', 4: 'b', 5: 'b' }[this.pick] ?? ''; },
  toggle(side, reason) {
    const reasons = this.reasons[side];
    this.reasons[side] = reasons.includes(reason) ? reasons.filter((one) => one !== reason) : [...reasons, reason];
  },
  edit() { return this.edits[this.decisive()] ?? null; }, // of the side that is chosen now
  // as the server takes it; an edit that changed nothing is none
  remarks(original) {
    const edit = this.edit() === original[this.decisive()] ? null : this.edit();
    return { reasons_a: this.reasons.a, reasons_b: this.reasons.b, comment: this.comment.trim(), flag: this.flag || null, edit };
  },
};
